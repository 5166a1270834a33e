/* Posts ready-made HTTP/1.1 requests over keep-alive connections, one in flight on each, and
 * reports how many were answered how fast.
 *
 *     http_load HOST PORT FILE CONNECTIONS SECONDS EXPECTED
 *
 * FILE holds raw requests one after the other, each behind its length (32 bits, little-endian).
 * Every request is sent at most once; the run ends when the file does or after SECONDS, and then
 * waits for the answers still owed. An answer counts as an error unless its status is 200 and its
 * body contains EXPECTED.
 *
 * Prints one JSON object: count (answers), errors, seconds (first request to last answer) and
 * p50_us, p90_us, p99_us, max_us (request written to answer complete, in microseconds).
 *
 * Exit codes: 0 every answer as expected; 1 some were not (the first is shown on stderr);
 * 2 the run could not be finished (usage, connection lost, not HTTP, no answer in time).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX (256 * 1024)
#define CONNECTIONS_MAX 1024
#define SECONDS_MAX 600.0
#define ANSWER_WAIT_MAX_S 10.0 /* for the answers still owed when the run ends */
#define NANOSECONDS 1000000000ull

struct request {
    const char *bytes;
    size_t size;
};

struct connection {
    int fd;
    bool waits_to_write;
    const struct request *request; /* in flight; NULL when idle */
    size_t sent;
    uint64_t sent_at_ns;
    size_t received;
    char in[ANSWER_SIZE_MAX];
};

struct answer {
    size_t size; /* head and body as they came */
    int status;
    const char *body; /* without its transfer encoding */
    size_t body_size;
};

enum parsed { INCOMPLETE, COMPLETE, MALFORMED };

static struct request *requests;
static size_t requests_count, requests_next;
static const char *expected;
static uint32_t *latencies_us;
static size_t answered, errors, in_flight;
static int poll_fd;

static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("http_load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

/* ---- the file of requests ---- */

static char *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long end;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0)
        fail("cannot read %s: %s", path, strerror(errno));
    rewind(file);
    *size = (size_t)end;
    bytes = malloc(*size + 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size)
        fail("cannot read %s", path);
    fclose(file);
    return bytes;
}

static uint32_t length_at(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Walk the file; store the requests when there is room for them. Returns how many there are. */
static size_t requests_walk(const char *bytes, size_t size, struct request *out)
{
    size_t count = 0, at = 0;

    while (at < size) {
        size_t length = size - at >= 4 ? length_at(bytes + at) : 0;

        if (length == 0 || length > size - at - 4)
            fail("request %zu of the file is cut short", count);
        if (out != NULL)
            out[count] = (struct request){bytes + at + 4, length};
        at += 4 + length;
        count++;
    }
    return count;
}

static void requests_load(const char *path)
{
    size_t size;
    char *bytes = file_read(path, &size);

    requests_count = requests_walk(bytes, size, NULL);
    if (requests_count == 0)
        fail("%s holds no request", path);
    requests = calloc(requests_count, sizeof *requests);
    latencies_us = calloc(requests_count, sizeof *latencies_us);
    if (requests == NULL || latencies_us == NULL)
        fail("out of memory");
    requests_walk(bytes, size, requests);
}

/* ---- reading answers ---- */

static const char *line_end(const char *from, const char *end)
{
    return memmem(from, (size_t)(end - from), "\r\n", 2);
}

/* The value of a header line if it carries that name, without leading blanks. */
static const char *header_value(const char *line, const char *end, const char *name)
{
    size_t size = strlen(name);

    if ((size_t)(end - line) <= size || strncasecmp(line, name, size) != 0 || line[size] != ':')
        return NULL;
    for (line += size + 1; line < end && (*line == ' ' || *line == '\t'); line++)
        ;
    return line;
}

/* A whole number in that base that fills [from, end), blanks after it aside; -1 if it is none. */
static long number(const char *from, const char *end, int base)
{
    long value = 0;

    while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (from == end)
        return -1;
    for (; from < end; from++) {
        char lower = (char)(*from | 0x20);
        int digit = *from >= '0' && *from <= '9' ? *from - '0'
                  : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;

        if (digit >= base || value > ANSWER_SIZE_MAX)
            return -1;
        value = value * base + digit;
    }
    return value;
}

/* Undo the chunked encoding of the body at `at`; its text goes to a buffer shared by all. */
static enum parsed chunks_parse(const char *bytes, size_t at, size_t size, struct answer *answer)
{
    static char joined[ANSWER_SIZE_MAX];
    const char *end = bytes + size, *line, *cut;
    size_t joined_size = 0;

    for (;;) {
        const char *extension;
        long chunk;

        line = bytes + at;
        if ((cut = line_end(line, end)) == NULL)
            return INCOMPLETE;
        extension = memchr(line, ';', (size_t)(cut - line));
        chunk = number(line, extension != NULL ? extension : cut, 16);
        at = (size_t)(cut - bytes) + 2;
        if (chunk < 0 || (size_t)chunk > sizeof joined - joined_size)
            return MALFORMED;
        if (chunk == 0)
            break;
        if (size - at < (size_t)chunk + 2)
            return INCOMPLETE;
        if (memcmp(bytes + at + chunk, "\r\n", 2) != 0)
            return MALFORMED;
        memcpy(joined + joined_size, bytes + at, (size_t)chunk);
        joined_size += (size_t)chunk;
        at += (size_t)chunk + 2;
    }
    do { /* trailers, up to an empty line */
        line = bytes + at;
        if ((cut = line_end(line, end)) == NULL)
            return INCOMPLETE;
        at = (size_t)(cut - bytes) + 2;
    } while (cut != line);
    answer->size = at;
    answer->body = joined;
    answer->body_size = joined_size;
    return COMPLETE;
}

/* The status of the first line; -1 if it is not one of HTTP/1.1. */
static int status_parse(const char *bytes, size_t size)
{
    static const char version[] = "HTTP/1.1 ";
    const size_t at = sizeof version - 1;

    if (size < at + 3 || memcmp(bytes, version, at) != 0)
        return -1;
    return (int)number(bytes + at, bytes + at + 3, 10);
}

static enum parsed answer_parse(const char *bytes, size_t size, struct answer *answer)
{
    const char *head_end = memmem(bytes, size, "\r\n\r\n", 4), *line, *cut;
    long body_size = -1;
    bool chunked = false;
    size_t body_at;

    if (head_end == NULL)
        return INCOMPLETE;
    body_at = (size_t)(head_end - bytes) + 4;
    if ((answer->status = status_parse(bytes, size)) < 0)
        return MALFORMED;
    for (line = line_end(bytes, head_end + 2) + 2; line < head_end; line = cut + 2) {
        const char *value;

        cut = line_end(line, head_end + 2);
        if ((value = header_value(line, cut, "content-length")) != NULL) {
            if ((body_size = number(value, cut, 10)) < 0)
                return MALFORMED;
        } else if ((value = header_value(line, cut, "transfer-encoding")) != NULL) {
            chunked = (size_t)(cut - value) >= 7 && strncasecmp(value, "chunked", 7) == 0;
        }
    }
    if (chunked)
        return chunks_parse(bytes, body_at, size, answer);
    if (body_size < 0)
        return MALFORMED;
    answer->size = body_at + (size_t)body_size;
    answer->body = bytes + body_at;
    answer->body_size = (size_t)body_size;
    return size < answer->size ? INCOMPLETE : COMPLETE;
}

/* ---- connections ---- */

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    address.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail("%s is not an IPv4 address", host);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect to %s:%s: %s", host, port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void watch(struct connection *connection, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (connection->waits_to_write ? EPOLLOUT : 0),
        .data.ptr = connection,
    };

    if (epoll_ctl(poll_fd, operation, connection->fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

/* Write what is left of the request; the rest waits until the socket takes more. */
static void request_write(struct connection *connection)
{
    const struct request *request = connection->request;
    bool waited = connection->waits_to_write;

    while (connection->sent < request->size) {
        ssize_t sent = send(connection->fd, request->bytes + connection->sent,
                            request->size - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            fail("connection lost while writing: %s", strerror(errno));
        if (sent < 0)
            break;
        connection->sent += (size_t)sent;
    }
    connection->waits_to_write = connection->sent < request->size;
    if (connection->waits_to_write != waited)
        watch(connection, EPOLL_CTL_MOD);
}

/* Take the next request of the file, if there is one and the time for it is not over. */
static void request_next(struct connection *connection, uint64_t now, uint64_t end)
{
    if (requests_next == requests_count || now >= end)
        return;
    connection->request = &requests[requests_next++];
    connection->sent = 0;
    connection->sent_at_ns = now;
    in_flight++;
    request_write(connection);
}

static void answer_count(struct connection *connection, const struct answer *answer, uint64_t now)
{
    bool good = answer->status == 200
             && memmem(answer->body, answer->body_size, expected, strlen(expected)) != NULL;

    if (!good && errors++ == 0)
        fprintf(stderr, "http_load: first unexpected answer: status %d, body %.*s\n",
                answer->status, (int)(answer->body_size < 500 ? answer->body_size : 500),
                answer->body);
    latencies_us[answered++] = (uint32_t)((now - connection->sent_at_ns) / 1000);
    connection->request = NULL;
    connection->received = 0;
    in_flight--;
}

/* Read what came. Returns true when it completed the answer that the connection waits for. */
static bool answer_read(struct connection *connection)
{
    struct answer answer;
    ssize_t got = recv(connection->fd, connection->in + connection->received,
                       sizeof connection->in - connection->received, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got < 0)
        fail("connection lost while reading: %s", strerror(errno));
    if (got == 0)
        fail("the server closed a connection after %zu answers", answered);
    connection->received += (size_t)got;
    if (connection->request == NULL || connection->waits_to_write)
        fail("an answer before the whole request was sent");
    switch (answer_parse(connection->in, connection->received, &answer)) {
    case MALFORMED:
        fail("not an HTTP/1.1 answer: %.*s",
             (int)(connection->received < 500 ? connection->received : 500), connection->in);
    case INCOMPLETE:
        if (connection->received == sizeof connection->in)
            fail("an answer larger than %d bytes", ANSWER_SIZE_MAX);
        return false;
    case COMPLETE:
        break;
    }
    if (answer.size != connection->received)
        fail("more than one answer to one request");
    answer_count(connection, &answer, now_ns());
    return true;
}

static struct connection *connections_open(const char *host, const char *port, size_t count)
{
    struct connection *connections = calloc(count, sizeof *connections);

    if (connections == NULL || (poll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail("cannot hold %zu connections", count);
    for (size_t i = 0; i < count; i++) {
        connections[i].fd = connect_to(host, port);
        watch(&connections[i], EPOLL_CTL_ADD);
    }
    return connections;
}

/* ---- the run ---- */

static void event_serve(const struct epoll_event *event, uint64_t end)
{
    struct connection *connection = event->data.ptr;

    if (event->events & EPOLLOUT)
        request_write(connection);
    if (event->events & ~(uint32_t)EPOLLOUT && answer_read(connection))
        request_next(connection, now_ns(), end);
}

/* Returns how long it took from the first request to the last answer, in seconds. */
static double run(struct connection *connections, size_t count, double seconds)
{
    static struct epoll_event events[CONNECTIONS_MAX];
    uint64_t started = now_ns();
    uint64_t end = started + (uint64_t)(seconds * (double)NANOSECONDS);
    uint64_t deadline = end + (uint64_t)(ANSWER_WAIT_MAX_S * (double)NANOSECONDS);

    for (size_t i = 0; i < count; i++)
        request_next(&connections[i], now_ns(), end);
    while (in_flight > 0) {
        int ready = epoll_wait(poll_fd, events, CONNECTIONS_MAX, (int)(ANSWER_WAIT_MAX_S * 1000));

        if (ready < 0 && errno != EINTR)
            fail("epoll: %s", strerror(errno));
        if (ready == 0 || now_ns() > deadline)
            fail("%zu answers are still missing after %.0f s", in_flight, ANSWER_WAIT_MAX_S);
        for (int i = 0; i < ready; i++)
            event_serve(&events[i], end);
    }
    return (double)(now_ns() - started) / (double)NANOSECONDS;
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return a < b ? -1 : a > b;
}

/* The smallest latency that `percent` of the answers did not exceed. The array is sorted. */
static uint32_t percentile_us(unsigned percent)
{
    size_t rank = (answered * percent + 99) / 100;

    return latencies_us[rank == 0 ? 0 : rank - 1];
}

static void report(double seconds)
{
    qsort(latencies_us, answered, sizeof *latencies_us, by_size);
    printf("{\"count\": %zu, \"errors\": %zu, \"seconds\": %.6f, \"p50_us\": %u, \"p90_us\": %u, "
           "\"p99_us\": %u, \"max_us\": %u}\n",
           answered, errors, seconds, percentile_us(50), percentile_us(90), percentile_us(99),
           percentile_us(100));
}

int main(int argc, char **argv)
{
    struct connection *connections;
    double seconds;
    int count;

    if (argc != 7)
        fail("usage: http_load HOST PORT FILE CONNECTIONS SECONDS EXPECTED");
    count = atoi(argv[4]);
    seconds = atof(argv[5]);
    expected = argv[6];
    if (count < 1 || count > CONNECTIONS_MAX || !(seconds > 0 && seconds <= SECONDS_MAX))
        fail("1 to %d connections, up to %.0f seconds", CONNECTIONS_MAX, SECONDS_MAX);
    requests_load(argv[3]);
    connections = connections_open(argv[1], argv[2], (size_t)count);
    report(run(connections, (size_t)count, seconds));
    return errors > 0 ? 1 : 0;
}
