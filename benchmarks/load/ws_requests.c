/* Sends ready-made messages over WebSocket connections, always as many in flight on each, and reports
 * how many were answered how fast.
 *
 *     ws_requests HOST PORT PATH FILE CONNECTIONS IN_FLIGHT SECONDS EXPECTED
 *
 * FILE holds the texts of the messages one after the other, each behind its length (32 bits,
 * little-endian). Every message is sent at most once; the run ends when the file does or after
 * SECONDS, and then waits for the answers still owed. An answer is taken for that of the oldest
 * message in flight on its connection, and what it makes room for is sent with one write. An answer counts as an error unless it is one
 * text frame that contains EXPECTED.
 *
 * Prints one JSON object, as http_load does: count (answers), errors, seconds (first message to last
 * answer) and p50_us, p90_us, p99_us, max_us (message written to answer complete, in microseconds).
 *
 * Exit codes: 0 every answer as expected; 1 some were not (the first is shown on stderr);
 * 2 the run could not be finished (usage, connection lost, no upgrade, no answer in time).
 */
#define _GNU_SOURCE
#define PROGRAM "ws_requests"
#include "ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MESSAGE_MAX (64 * 1024)
#define ANSWER_MAX (256 * 1024)
#define CONNECTIONS_MAX 1024
#define IN_FLIGHT_MAX 64 /* of one connection */
#define SECONDS_MAX 600.0
#define ANSWER_WAIT_MAX_S 10.0 /* for the answers still owed when the run ends */

struct connection {
    int fd;
    size_t sent, answered;
    uint64_t sent_at_ns[IN_FLIGHT_MAX]; /* of message number n at n % IN_FLIGHT_MAX */
    size_t received;
    char in[ANSWER_MAX];
};

static struct span *messages;
static size_t messages_count, messages_next;
static const char *expected;
static int64_t *latencies_us;
static size_t answered, errors, in_flight, in_flight_each;
static int poll_fd;

/* ---- the file of messages ---- */

static size_t length_at(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;

    return b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
}

/* Walk the file; store the messages when there is room for them. Returns how many there are. */
static size_t messages_walk(struct span file, struct span *out)
{
    size_t count = 0;

    for (const char *at = file.at; at < file.end; count++) {
        size_t left = (size_t)(file.end - at), length = left >= 4 ? length_at(at) : 0;

        if (length == 0 || length > left - 4 || length > MESSAGE_MAX)
            fail("message %zu of the file is cut short, or too long", count);
        at += 4 + length;
        if (out != NULL)
            out[count] = (struct span){at - length, at};
    }
    return count;
}

static void messages_load(const char *path)
{
    struct span file = file_read(path);

    messages_count = messages_walk(file, NULL);
    if (messages_count == 0)
        fail("%s holds no message", path);
    messages = allocate(messages_count, sizeof *messages);
    latencies_us = allocate(messages_count, sizeof *latencies_us);
    messages_walk(file, messages);
}

/* ---- connections ---- */

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            fail("connection lost while writing: %s", strerror(errno));
        bytes += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail("%s is not an IPv4 address", host);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect to %s:%s: %s", host, port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Open a socket on that path. Nothing is sent to us before we ask, so the answer is all there is. */
static void connection_open(struct connection *connection, const char *host, const char *port,
                            const char *path)
{
    char request[1024];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n",
                        path, host, port);

    if (size < 0 || (size_t)size >= sizeof request)
        fail("no room for the handshake");
    connection->fd = connect_to(host, port);
    write_all(connection->fd, request, (size_t)size);
    do {
        ssize_t got = recv(connection->fd, connection->in + connection->received,
                           sizeof connection->in - connection->received, 0);

        if (got <= 0)
            fail("connection lost in the handshake");
        connection->received += (size_t)got;
    } while (ws_upgraded(connection->in, connection->received) == 0);
    connection->received = 0;
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

/* Send as many messages as there is room for in flight, unless the file or the time is over. */
static void messages_send(struct connection *connection, uint64_t end)
{
    static char frames[IN_FLIGHT_MAX * (MESSAGE_MAX + WS_HEADER_MAX)];
    uint64_t now = now_ns();
    size_t size = 0;

    while (connection->sent - connection->answered < in_flight_each && messages_next < messages_count
           && now < end) {
        struct span message = messages[messages_next++];

        connection->sent_at_ns[connection->sent++ % IN_FLIGHT_MAX] = now;
        in_flight++;
        size += ws_write(frames + size, WS_TEXT, true, message.at, span_size(message));
    }
    write_all(connection->fd, frames, size);
}

static void answer_count(struct connection *connection, const struct ws_frame *frame, uint64_t now)
{
    size_t size = span_size(frame->payload);
    bool good = frame->opcode == WS_TEXT
             && memmem(frame->payload.at, size, expected, strlen(expected)) != NULL;

    if (connection->answered == connection->sent)
        fail("more answers than messages");
    if (!good && errors++ == 0)
        fprintf(stderr, PROGRAM ": first unexpected answer: opcode %d, %.*s\n", frame->opcode,
                (int)(size < 500 ? size : 500), frame->payload.at);
    latencies_us[answered++] =
        (int64_t)((now - connection->sent_at_ns[connection->answered++ % IN_FLIGHT_MAX]) / 1000);
    in_flight--;
}

/* Read what came, and send on where it completed answers. */
static void connection_serve(struct connection *connection, uint64_t end)
{
    struct ws_frame frame;
    size_t taken = 0;
    uint64_t now;
    ssize_t got = recv(connection->fd, connection->in + connection->received,
                       sizeof connection->in - connection->received, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        fail("the server closed a connection after %zu answers", answered);
    connection->received += (size_t)got;
    now = now_ns();
    while (ws_next(connection->in + taken, connection->received - taken, false, &frame)) {
        answer_count(connection, &frame, now);
        taken += frame.size;
    }
    if (taken > 0) {
        connection->received -= taken;
        memmove(connection->in, connection->in + taken, connection->received);
        messages_send(connection, end);
    } else if (connection->received == sizeof connection->in) {
        fail("an answer larger than %d bytes", ANSWER_MAX);
    }
}

/* ---- the run ---- */

/* Returns how long it took from the first message to the last answer, in seconds. */
static double run(struct connection *connections, size_t count, double seconds)
{
    static struct epoll_event events[CONNECTIONS_MAX];
    uint64_t started = now_ns();
    uint64_t end = started + (uint64_t)(seconds * (double)NANOSECONDS);
    uint64_t deadline = end + (uint64_t)(ANSWER_WAIT_MAX_S * (double)NANOSECONDS);

    for (size_t i = 0; i < count; i++)
        messages_send(&connections[i], end);
    while (in_flight > 0) {
        int ready = epoll_wait(poll_fd, events, CONNECTIONS_MAX, (int)(ANSWER_WAIT_MAX_S * 1000));

        if (ready < 0 && errno != EINTR)
            fail("epoll: %s", strerror(errno));
        if (ready == 0 || now_ns() > deadline)
            fail("%zu answers are still missing after %.0f s", in_flight, ANSWER_WAIT_MAX_S);
        for (int i = 0; i < ready; i++)
            connection_serve(events[i].data.ptr, end);
    }
    return (double)(now_ns() - started) / (double)NANOSECONDS;
}

static void report(double seconds)
{
    qsort(latencies_us, answered, sizeof *latencies_us, by_value);
    printf("{\"count\": %zu, \"errors\": %zu, \"seconds\": %.6f, \"p50_us\": %lld, \"p90_us\": %lld, "
           "\"p99_us\": %lld, \"max_us\": %lld}\n",
           answered, errors, seconds, (long long)percentile(latencies_us, answered, 50),
           (long long)percentile(latencies_us, answered, 90),
           (long long)percentile(latencies_us, answered, 99),
           (long long)percentile(latencies_us, answered, 100));
}

int main(int argc, char **argv)
{
    struct connection *connections;
    double seconds;
    int count;

    if (argc != 9)
        fail("usage: ws_requests HOST PORT PATH FILE CONNECTIONS IN_FLIGHT SECONDS EXPECTED");
    count = atoi(argv[5]);
    in_flight_each = (size_t)atoi(argv[6]);
    seconds = atof(argv[7]);
    expected = argv[8];
    if (count < 1 || count > CONNECTIONS_MAX || !(seconds > 0 && seconds <= SECONDS_MAX))
        fail("1 to %d connections, up to %.0f seconds", CONNECTIONS_MAX, SECONDS_MAX);
    if (in_flight_each < 1 || in_flight_each > IN_FLIGHT_MAX)
        fail("1 to %d messages in flight on each", IN_FLIGHT_MAX);
    messages_load(argv[4]);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = allocate((size_t)count, sizeof *connections);
    for (int i = 0; i < count; i++)
        connection_open(&connections[i], argv[1], argv[2], argv[3]);
    report(run(connections, (size_t)count, seconds));
    return errors > 0 ? 1 : 0;
}
