/* Stations that load a server over loopback; see __init__.py for the commands.
 *
 *     load PORT REQUEST_FILE MESSAGE_FILE
 *
 * The request is sent as it is, but for a number in place of its '#'s. The message is masked and sent as one text
 * frame, a new number in place of its '#'s each time. An answer has to be a CALLRESULT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_STATIONS 8192
#define MAX_MESSAGE (1 << 17)
#define BUFFER 4096

struct station {
    int fd;
    size_t have;
    unsigned char in[BUFFER];
};

static const unsigned char MASK[4] = {0x5a, 0xc3, 0x91, 0x7e};
static struct station *stations[MAX_STATIONS];
static struct pollfd polled[MAX_STATIONS];
static int count;
static struct sockaddr_in server;
static char request[2048];
static unsigned char message[MAX_MESSAGE], frame[MAX_MESSAGE + 14];
static size_t request_length, message_length, head_length;
static char *request_number;
static unsigned char *message_number;
static uint32_t next_number, next_identity;

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t clock_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static size_t read_file(const char *path, void *into, size_t limit) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) die(path);
    size_t length = fread(into, 1, limit - 1, file);
    fclose(file);
    ((char *)into)[length] = 0;
    return length;
}

static void write_number(void *at, uint32_t number) {
    char digits[16];
    snprintf(digits, sizeof digits, "%08u", number % 100000000u);
    memcpy(at, digits, 8);
}

static void send_all(int fd, const void *data, size_t length) {
    const char *rest = data;
    while (length > 0) {
        ssize_t sent = send(fd, rest, length, MSG_NOSIGNAL);
        if (sent < 0) die("send");
        rest += sent;
        length -= (size_t)sent;
    }
}

/* The head of a masked text frame; what follows it is masked in place. */
static void build_frame_head(void) {
    unsigned char *head = frame;
    *head++ = 0x81;
    if (message_length < 126) {
        *head++ = 0x80 | (unsigned char)message_length;
    } else if (message_length < 65536) {
        *head++ = 0x80 | 126;
        *head++ = (unsigned char)(message_length >> 8);
        *head++ = (unsigned char)message_length;
    } else {
        *head++ = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) *head++ = (unsigned char)((uint64_t)message_length >> shift);
    }
    memcpy(head, MASK, 4);
    head_length = (size_t)(head + 4 - frame);
    for (size_t i = 0; i < message_length; i++) frame[head_length + i] = message[i] ^ MASK[i % 4];
}

static void ask(struct station *station) {
    size_t offset = (size_t)(message_number - message);
    write_number(message_number, next_number++);
    for (size_t i = offset; i < offset + 8; i++) frame[head_length + i] = message[i] ^ MASK[i % 4];
    send_all(station->fd, frame, head_length + message_length);
}

static void open_station(struct station *station) {
    int one = 1;
    char response[2048];
    size_t have = 0;
    memset(station, 0, sizeof *station);
    station->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (station->fd < 0) die("socket");
    if (connect(station->fd, (struct sockaddr *)&server, sizeof server) < 0) die("connect");
    setsockopt(station->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    write_number(request_number, next_identity++);
    send_all(station->fd, request, request_length);
    for (;;) {
        ssize_t got = recv(station->fd, response + have, sizeof response - 1 - have, 0);
        if (got <= 0) die("no response to the handshake");
        have += (size_t)got;
        response[have] = 0;
        if (strstr(response, "\r\n\r\n") != NULL) break;
        if (have == sizeof response - 1) die("a long response");
    }
    if (strncmp(response, "HTTP/1.1 101", 12) != 0) die(response);
}

static void add_stations(int more) {
    if (count + more > MAX_STATIONS) die("too many stations");
    for (; more > 0; more--) {
        stations[count] = malloc(sizeof(struct station));
        open_station(stations[count]);
        polled[count].fd = stations[count]->fd;
        polled[count].events = POLLIN;
        count++;
    }
    printf("%d\n", count);
}

/* Take one whole frame off the buffer: 1 for an answer, 0 for anything else, -1 if there is none. */
static int take_frame(struct station *station) {
    unsigned char *in = station->in;
    size_t start = 2, length;
    int answer = 0;
    if (station->have < 2) return -1;
    length = in[1] & 0x7f;
    if (length == 126) {
        if (station->have < 4) return -1;
        length = (size_t)in[2] << 8 | in[3];
        start = 4;
    } else if (length == 127) {
        die("a huge answer");
    }
    if (station->have < start + length) {
        if (start + length > BUFFER) die("a huge answer");
        return -1;
    }
    if (in[0] == 0x81) {
        if (length < 4 || memcmp(in + start, "[3,\"", 4) != 0) die("not a CALLRESULT");
        answer = 1;
    } else if (in[0] == 0x89 && length < 126) {
        unsigned char pong[6 + 125] = {0x8a, (unsigned char)(0x80 | length), 0, 0, 0, 0};
        memcpy(pong + 6, in + start, length);
        send_all(station->fd, pong, 6 + length);
    } else {
        die("an unexpected frame");
    }
    station->have -= start + length;
    memmove(in, in + start + length, station->have);
    return answer;
}

static void run(int64_t milliseconds) {
    int64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t until = wall + milliseconds * 1000000;
    int64_t calls = 0;
    int waiting = count;
    for (int i = 0; i < count; i++) ask(stations[i]);
    while (waiting > 0) {
        int ready = poll(polled, (nfds_t)count, 20000);
        if (ready <= 0) die("no answer");
        int going_on = clock_ns(CLOCK_MONOTONIC) < until;
        for (int i = 0; i < count && ready > 0; i++) {
            if (polled[i].revents == 0) continue;
            ready--;
            struct station *station = stations[i];
            ssize_t got = recv(station->fd, station->in + station->have, BUFFER - station->have, 0);
            if (got <= 0) die("the server hung up");
            station->have += (size_t)got;
            int kind;
            while ((kind = take_frame(station)) >= 0) {
                if (kind == 0) continue;
                calls++;
                if (going_on) ask(station);
                else waiting--;
            }
        }
    }
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%lld %lld %lld\n", (long long)calls, (long long)wall, (long long)cpu);
}

static void churn(int64_t milliseconds) {
    static const unsigned char goodbye[8] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    int64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t until = wall + milliseconds * 1000000;
    int64_t connections = 0;
    struct station guest;
    unsigned char rest[256];
    while (clock_ns(CLOCK_MONOTONIC) < until) {
        open_station(&guest);
        send_all(guest.fd, goodbye, sizeof goodbye);
        while (recv(guest.fd, rest, sizeof rest, 0) > 0) {
        }
        close(guest.fd);
        connections++;
    }
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%lld %lld %lld\n", (long long)connections, (long long)wall, (long long)cpu);
}

int main(int argc, char **argv) {
    char line[64];
    int64_t argument;
    if (argc != 4) die("usage: load PORT REQUEST_FILE MESSAGE_FILE");
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    request_length = read_file(argv[2], request, sizeof request);
    message_length = read_file(argv[3], message, sizeof message);
    request_number = strstr(request, "########");
    message_number = (unsigned char *)strstr((char *)message, "########");
    if (request_number == NULL || message_number == NULL) die("no place for a number");
    build_frame_head();
    next_identity = (uint32_t)getpid() % 10000u * 10000u;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *space = strchr(line, ' ');
        argument = space == NULL ? 0 : atoll(space);
        if (strncmp(line, "more ", 5) == 0) add_stations((int)argument);
        else if (strncmp(line, "run ", 4) == 0) run(argument);
        else if (strncmp(line, "churn ", 6) == 0) churn(argument);
        else die("unknown command");
    }
    return 0;
}
