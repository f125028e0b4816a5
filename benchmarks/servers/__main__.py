"""One server, until the end of standard input."""

import sys

from . import serve

serve(sys.argv[1])
