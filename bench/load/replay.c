/* Sends the requests of a file over keep-alive connections, one in flight on each, and says what came of it.

       replay PORT FILE CLIENTS SECONDS [RATE]      SECONDS 0: each request once; RATE: so many a second at most

   A record of the file is the request's length in eight digits and its bytes (bench/signing.py writes them). One thread
   waits with epoll; a body is dropped in the kernel, so a request costs its two system calls and little else. Written in
   C because on two cores what the load takes is taken from the server. A connection that the server closes between two
   answers is made anew and the request sent again, which is counted; one that ends within an answer is broken. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MOST = 16 << 10, DROP_MOST = 1 << 20, REFUSAL_MOST = 300 };
enum body { IN_HEAD, OF_LENGTH, IN_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILER };
enum outcome { MORE, COMPLETE, CLOSED, BROKEN };

struct client {
    int fd;
    const char *record; /* what was sent last */
    size_t record_length;
    uint64_t sent_at;
    enum body state;
    int status;
    size_t left;  /* bytes of the body, or of its present chunk */
    size_t line;  /* bytes of the present line of a trailer */
    int is_extension; /* past the digits of a chunk's size */
    size_t used;  /* bytes in head */
    char head[HEAD_MOST + 1];
};

static struct sockaddr_in address;
static const char *records, *position, *records_end;
static int epoll;
static char dropped[DROP_MOST];
static uint32_t *latencies; /* microseconds */
static double rate; /* 0: as quickly as answers come */
static uint64_t started, paced;
static size_t requests, room, refused, broken, reconnects, wraps;
static char refusal[REFUSAL_MOST + 1];

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void open_connection(struct client *client) {
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event)) fail("epoll_ctl");
}

/* The next record; 0 at the end of a file that is sent once. */
static int next_record(struct client *client, int again) {
    char digits[9] = {0};
    if (position >= records_end) {
        if (!again) return 0;
        position = records;
        wraps++;
    }
    memcpy(digits, position, 8);
    client->record_length = strtoul(digits, NULL, 10);
    client->record = position + 8;
    position += 8 + client->record_length;
    return 1;
}

/* A connection that was closed meanwhile shows that when its answer is read. */
static void send_record(struct client *client) {
    size_t sent = 0;
    client->state = IN_HEAD;
    client->used = 0;
    while (sent < client->record_length) {
        ssize_t count = send(client->fd, client->record + sent, client->record_length - sent, MSG_NOSIGNAL);
        if (count < 0) break;
        sent += count;
    }
}

static enum outcome take_chunks(struct client *client, const char *data, size_t length) {
    for (size_t i = 0; i < length;) {
        char byte = data[i];
        if (client->state == IN_CHUNK) {
            size_t step = client->left < length - i ? client->left : length - i;
            i += step;
            client->left -= step;
            if (!client->left) client->state = AFTER_CHUNK;
            continue;
        }
        i++;
        if (client->state == AFTER_CHUNK) {
            if (byte != '\n') continue;
            client->state = IN_SIZE;
            client->is_extension = 0;
        } else if (client->state == IN_SIZE && byte == '\n') {
            client->state = client->left ? IN_CHUNK : IN_TRAILER;
            client->line = 0;
        } else if (client->state == IN_SIZE) {
            const char *digits = "0123456789abcdef", *digit = strchr(digits, byte | 0x20);
            if (!digit || !*digit) client->is_extension = 1;
            if (!client->is_extension) client->left = client->left * 16 + (digit - digits);
        } else if (byte == '\n') {
            if (!client->line) return COMPLETE;
            client->line = 0;
        } else if (byte != '\r') {
            client->line++;
        }
    }
    return MORE;
}

static enum outcome take_head(struct client *client) {
    ssize_t count = recv(client->fd, client->head + client->used, HEAD_MOST - client->used, 0);
    if (count <= 0) return client->used ? BROKEN : CLOSED;
    client->used += count;
    char *end = memmem(client->head, client->used, "\r\n\r\n", 4);
    if (!end) return client->used == HEAD_MOST ? BROKEN : MORE;
    end[2] = 0;
    const char *body = end + 4, *field;
    size_t received = client->used - (body - client->head);
    client->status = atoi(client->head + 9);
    if (client->status >= 300 && !*refusal)
        snprintf(refusal, sizeof refusal, "%.15s %.*s", client->head, (int)(received < 250 ? received : 250), body);
    if (!memcmp(client->record, "HEAD", 4) || client->status == 204 || client->status == 304) return COMPLETE;
    if (strcasestr(client->head, "\r\ntransfer-encoding: chunked")) {
        client->state = IN_SIZE;
        client->left = client->is_extension = 0;
        return take_chunks(client, body, received);
    }
    field = strcasestr(client->head, "\r\ncontent-length:");
    size_t length = field ? strtoul(field + 17, NULL, 10) : 0;
    if (!field || received > length) return BROKEN;
    client->state = OF_LENGTH;
    client->left = length - received;
    return client->left ? MORE : COMPLETE;
}

static enum outcome receive(struct client *client) {
    if (client->state == IN_HEAD) return take_head(client);
    int is_plain = client->state == OF_LENGTH;
    size_t most = is_plain && client->left < DROP_MOST ? client->left : DROP_MOST;
    ssize_t count = recv(client->fd, dropped, most, is_plain ? MSG_TRUNC : 0);
    if (count <= 0) return BROKEN;
    if (!is_plain) return take_chunks(client, dropped, count);
    client->left -= count;
    return client->left ? MORE : COMPLETE;
}

static void count_answer(struct client *client) {
    if (requests == room) {
        room = room ? room * 2 : 1 << 16;
        latencies = realloc(latencies, room * sizeof *latencies);
        if (!latencies) fail("realloc");
    }
    latencies[requests++] = (now() - client->sent_at) / 1000;
    refused += client->status >= 300;
}

/* No other client is looked after meanwhile, so with a rate the latencies say little. */
static void wait_for_turn(void) {
    if (!rate) return;
    uint64_t due = started + (uint64_t)(paced++ / rate * 1e9), time = now();
    if (due <= time) return;
    struct timespec pause = {(due - time) / 1000000000, (due - time) % 1000000000};
    nanosleep(&pause, NULL);
}

/* Whether there was another; a connection that isn't needed any more is closed, so that epoll forgets it. */
static int send_next(struct client *client, int again) {
    if (!next_record(client, again)) {
        close(client->fd);
        return 0;
    }
    wait_for_turn();
    client->sent_at = now();
    send_record(client);
    return 1;
}

/* Whether the client is busy still. */
static int go_on(struct client *client, int again) {
    enum outcome outcome = receive(client);
    if (outcome == MORE) return 1;
    if (outcome == COMPLETE) {
        count_answer(client);
        return send_next(client, again);
    }
    close(client->fd);
    open_connection(client);
    if (outcome == BROKEN) {
        broken++;
        return send_next(client, again);
    }
    if (++reconnects > 100 && reconnects > 2 * requests) {
        errno = ECONNRESET;
        fail("the server closes instead of answering");
    }
    send_record(client);
    return 1;
}

static void run(struct client *clients, int count, double seconds) {
    uint64_t end = seconds > 0 ? now() + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    struct epoll_event events[count];
    int busy = 0;
    for (int i = 0; i < count; i++) busy += send_next(&clients[i], seconds > 0);
    while (busy && now() < end) {
        int ready = epoll_wait(epoll, events, count, 1000);
        for (int i = 0; i < ready; i++) busy -= !go_on(events[i].data.ptr, seconds > 0);
    }
}

static int compare(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void map_file(const char *path) {
    struct stat status;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &status)) fail(path);
    records = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (records == MAP_FAILED) fail(path);
    position = records;
    records_end = records + status.st_size;
}

int main(int count, char **words) {
    if (count != 5 && count != 6) return 2;
    if (count == 6) rate = atof(words[5]);
    int clients = atoi(words[3]);
    struct client *all = calloc(clients, sizeof *all);
    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(words[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    map_file(words[2]);
    epoll = epoll_create1(0);
    for (int i = 0; i < clients; i++) open_connection(&all[i]);
    double used = cpu();
    started = now();
    run(all, clients, atof(words[4]));
    double seconds = (now() - started) / 1e9;
    used = cpu() - used;
    qsort(latencies, requests, sizeof *latencies, compare);
    for (char *byte = refusal; *byte; byte++)
        if (*byte < ' ' || *byte > '~' || *byte == '"' || *byte == '\\') *byte = ' ';
    printf("{\"requests\": %zu, \"seconds\": %f, \"cpu\": %f, \"refused\": %zu, \"broken\": %zu, \"reconnects\": %zu, "
           "\"wraps\": %zu, \"p50\": %u, \"p99\": %u, \"first_refusal\": \"%s\"}\n",
           requests, seconds, used, refused, broken, reconnects, wraps, requests ? latencies[requests / 2] : 0,
           requests ? latencies[requests * 99 / 100] : 0, refusal);
    return 0;
}
