/* Posts requests at a fixed rate and measures how long the change that each one makes takes to be
 * pushed to a subscriber. Poster and subscriber are one process with one clock.
 *
 *     ws_post_to_push HOST PORT REQUESTS HASHES TOKEN CHANNEL RATE CONNECTIONS
 *
 * REQUESTS holds raw HTTP/1.1 requests one after the other, each behind its length (32 bits,
 * little-endian); line n of HASHES is the order hash (0x and 64 digits) that request n makes CHANNEL
 * push. RATE is in requests per second: request n is due n / RATE after the start, whatever happened to
 * those before, and goes to a keep-alive connection that waits for no answer. An answer is good if its
 * status is 200 and its body contains "OK".
 *
 * Prints one JSON object: count (requests), seconds (first request to last push), cpu_s (of this
 * process meanwhile), queued (requests that found every connection busy), and p50, p90, p99 and max in
 * microseconds of
 *   late           due to sent: what this program and its core add
 *   send_to_ack    sent to answered; a queued request counts as sent when it began to queue
 *   send_to_push   sent to pushed
 *   ack_to_push    answered to pushed; negative where the push was read first
 *
 * Exit codes: 0 everything was answered well and pushed exactly once; 2 not so.
 */
#define _GNU_SOURCE
#define PROGRAM "ws_post_to_push"
#include "ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define ANSWER_MAX (64 * 1024)
#define IN_MAX (4 * 1024 * 1024) /* of pushes that are not whole yet */
#define GRACE_S 10.0             /* for what is owed when the last request was due */
#define HASH_SIZE 66

struct poster {
    int fd;
    bool busy;
    size_t order; /* in flight */
    size_t received;
    char in[ANSWER_MAX];
};

struct order {
    struct span request;
    const char *hash;
    uint64_t due_ns, sent_ns, acked_ns, pushed_ns;
};

static const char *host, *port;
static struct order *orders;
static size_t orders_count, due_next, send_next, queued_next, acked, pushed, queued;
static size_t *table, table_size; /* order numbers + 1 by hash */
static struct poster *posters;
static size_t posters_count;
static int subscriber_fd, timer_fd, poll_fd;

/* ---- the files ---- */

static uint32_t length_at(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* The hash is random: its first digits tell orders apart well enough. */
static size_t slot_of(const char *hash)
{
    char digits[17];

    memcpy(digits, hash + 2, 16);
    digits[16] = '\0';
    return (size_t)strtoull(digits, NULL, 16) % table_size;
}

static void orders_load(const char *requests_path, const char *hashes_path)
{
    struct span requests = file_read(requests_path), hashes = file_read(hashes_path);

    orders_count = span_size(hashes) / (HASH_SIZE + 1);
    if (orders_count == 0 || span_size(hashes) % (HASH_SIZE + 1) != 0)
        fail("%s is not one hash a line", hashes_path);
    orders = allocate(orders_count, sizeof *orders);
    table_size = orders_count * 2 + 1;
    table = allocate(table_size, sizeof *table);
    for (size_t i = 0; i < orders_count; i++) {
        struct order *order = &orders[i];
        size_t slot;

        order->hash = hashes.at + i * (HASH_SIZE + 1);
        if (span_size(requests) < 4 || span_size(requests) - 4 < length_at(requests.at))
            fail("request %zu is cut short", i);
        order->request.at = requests.at + 4;
        order->request.end = requests.at = order->request.at + length_at(requests.at);
        for (slot = slot_of(order->hash); table[slot] != 0; slot = (slot + 1) % table_size)
            ;
        table[slot] = i + 1;
    }
    if (requests.at != requests.end)
        fail("more requests than hashes");
}

static struct order *order_of(struct span hash)
{
    if (span_size(hash) != HASH_SIZE)
        return NULL;
    for (size_t slot = slot_of(hash.at); table[slot] != 0; slot = (slot + 1) % table_size)
        if (memcmp(orders[table[slot] - 1].hash, hash.at, HASH_SIZE) == 0)
            return &orders[table[slot] - 1];
    return NULL;
}

/* ---- connections ---- */

static int connect_to_server(void)
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

static void watch(int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

static void bytes_send(int fd, const char *bytes, size_t size)
{
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

    if (sent < 0 || (size_t)sent != size)
        fail("a connection took %zd of %zu bytes: %s", sent, size, strerror(errno));
}

/* ---- posting ---- */

static void order_post(struct poster *poster, size_t number)
{
    poster->busy = true;
    poster->order = number;
    if (orders[number].sent_ns == 0)
        orders[number].sent_ns = now_ns();
    bytes_send(poster->fd, orders[number].request.at, span_size(orders[number].request));
}

static struct poster *poster_idle(void)
{
    static size_t next; /* all of them take turns */

    for (size_t i = 0; i < posters_count; i++) {
        struct poster *poster = &posters[next++ % posters_count];

        if (!poster->busy)
            return poster;
    }
    return NULL;
}

/* Post everything that is due and finds a connection. */
static void orders_post(void)
{
    uint64_t now = now_ns();
    struct poster *poster;

    while (due_next < orders_count && orders[due_next].due_ns <= now)
        due_next++;
    while (send_next < due_next && (poster = poster_idle()) != NULL)
        order_post(poster, send_next++);
    for (; queued_next < due_next; queued_next++) {
        if (queued_next < send_next)
            continue;
        orders[queued_next].sent_ns = now; /* queueing here is the server's doing */
        queued++;
    }
}

static void timer_set(void)
{
    struct itimerspec at = {0};

    if (due_next < orders_count) { /* else it is disarmed */
        at.it_value.tv_sec = (time_t)(orders[due_next].due_ns / NANOSECONDS);
        at.it_value.tv_nsec = (long)(orders[due_next].due_ns % NANOSECONDS);
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* The size of the answer that begins here; 0 while it is not complete. */
static size_t answer_size(const char *bytes, size_t size)
{
    const char *head_end = memmem(bytes, size, "\r\n\r\n", 4), *line;
    size_t whole;

    if (head_end == NULL)
        return 0;
    for (line = bytes; line < head_end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            break;
    if (line >= head_end)
        fail("an answer without a length: %.*s", (int)size, bytes);
    whole = (size_t)(head_end - bytes) + 4 + strtoul(line + 15, NULL, 10);
    return size < whole ? 0 : whole;
}

static void answer_read(struct poster *poster)
{
    ssize_t got = recv(poster->fd, poster->in + poster->received,
                       sizeof poster->in - 1 - poster->received, MSG_DONTWAIT);
    size_t size;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        fail("a connection was lost after %zu answers", acked);
    poster->received += (size_t)got;
    poster->in[poster->received] = '\0';
    if ((size = answer_size(poster->in, poster->received)) == 0)
        return;
    if (!poster->busy || size != poster->received || memcmp(poster->in, "HTTP/1.1 200", 12) != 0
        || strstr(poster->in, "\"OK\"") == NULL)
        fail("not a good answer: %s", poster->in);
    orders[poster->order].acked_ns = now_ns();
    poster->received = 0;
    poster->busy = false;
    acked++;
}

/* ---- the subscriber ---- */

static char in[IN_MAX];
static size_t in_size;

static void subscriber_receive(int flags)
{
    ssize_t got = recv(subscriber_fd, in + in_size, sizeof in - in_size, flags);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        fail("the subscriber was cut off after %zu pushes", pushed);
    in_size += (size_t)got;
}

static void in_consume(size_t size)
{
    in_size -= size;
    memmove(in, in + size, in_size);
}

/* Connect and subscribe, and wait until both are granted. */
static void subscribe(const char *token, const char *channel)
{
    static const char *granted[] = {"connect", "subscribe"};
    char text[4096], out[sizeof text + WS_HEADER_MAX];
    struct ws_frame frame;
    struct span result;
    size_t size;

    subscriber_fd = connect_to_server();
    bytes_send(subscriber_fd, out, ws_upgrade(out, sizeof out, host, port));
    while ((size = ws_upgraded(in, in_size)) == 0)
        subscriber_receive(0);
    in_consume(size);
    size = (size_t)snprintf(text, sizeof text,
                            "{\"id\":1,\"connect\":{\"token\":\"%s\"}}\n"
                            "{\"id\":2,\"subscribe\":{\"channel\":\"%s\",\"positioned\":true,"
                            "\"recoverable\":true}}",
                            token, channel);
    if (size >= sizeof text)
        fail("no room for the token");
    bytes_send(subscriber_fd, out, ws_write(out, WS_TEXT, true, text, size));
    for (size_t i = 0; i < 2; i++) {
        while (!ws_next(in, in_size, false, &frame))
            subscriber_receive(0);
        if (!json_member(frame.payload, granted[i], &result))
            fail("refused: %.*s", (int)span_size(frame.payload), frame.payload.at);
        in_consume(frame.size);
    }
}

static void update_take(struct span update, uint64_t at_ns)
{
    struct span hash;
    struct order *order = NULL;

    if (json_member(update, "orderHash", &hash))
        order = order_of(json_text(hash));
    if (order == NULL || order->sent_ns == 0 || order->pushed_ns != 0)
        fail("an update that is not owed: %.*s", (int)span_size(update), update.at);
    order->pushed_ns = at_ns;
    pushed++;
}

static void push_take(struct span payload, uint64_t at_ns)
{
    char pong[WS_HEADER_MAX + 2];
    struct span push, publication, data, update;

    if (span_is(payload, "{}")) {
        bytes_send(subscriber_fd, pong, ws_write(pong, WS_TEXT, true, "{}", 2));
        return;
    }
    if (!json_member(payload, "push", &push) || !json_member(push, "pub", &publication)
        || !json_member(publication, "data", &data))
        fail("not a publication: %.*s", (int)span_size(payload), payload.at);
    while (json_element(&data.at, data.end, &update))
        update_take(update, at_ns);
}

static void pushes_read(void)
{
    struct ws_frame frame;
    size_t used = 0;
    uint64_t at_ns;

    subscriber_receive(MSG_DONTWAIT);
    at_ns = now_ns();
    for (; ws_next(in + used, in_size - used, false, &frame); used += frame.size)
        push_take(frame.payload, at_ns);
    in_consume(used);
}

/* ---- the run ---- */

static void run(double rate)
{
    struct epoll_event events[64];
    uint64_t started = now_ns() + NANOSECONDS / 10, deadline;

    for (size_t i = 0; i < orders_count; i++)
        orders[i].due_ns = started + (uint64_t)((double)i / rate * (double)NANOSECONDS);
    deadline = orders[orders_count - 1].due_ns + (uint64_t)(GRACE_S * (double)NANOSECONDS);
    timer_set();
    while (acked < orders_count || pushed < orders_count) {
        int ready = epoll_wait(poll_fd, events, 64, 1000);

        if (now_ns() > deadline)
            fail("of %zu orders %zu were answered and %zu pushed in time", orders_count, acked,
                 pushed);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &subscriber_fd)
                pushes_read();
            else if (events[i].data.ptr != &timer_fd)
                answer_read(events[i].data.ptr);
        }
        orders_post();
        timer_set();
    }
}

/* One member of the report: percentiles of `to` - `from`, both members of an order. */
static void latency_report(const char *name, size_t from, size_t to)
{
    int64_t *values = allocate(orders_count, sizeof *values);

    for (size_t i = 0; i < orders_count; i++) {
        const char *order = (const char *)&orders[i];

        values[i] = (*(const int64_t *)(order + to) - *(const int64_t *)(order + from)) / 1000;
    }
    qsort(values, orders_count, sizeof *values, by_value);
    printf(", \"%s\": {\"p50\": %lld, \"p90\": %lld, \"p99\": %lld, \"max\": %lld}", name,
           (long long)percentile(values, orders_count, 50),
           (long long)percentile(values, orders_count, 90),
           (long long)percentile(values, orders_count, 99),
           (long long)percentile(values, orders_count, 100));
    free(values);
}

static void report(uint64_t cpu_ns)
{
    uint64_t last_ns = 0;

    for (size_t i = 0; i < orders_count; i++)
        last_ns = orders[i].pushed_ns > last_ns ? orders[i].pushed_ns : last_ns;
    printf("{\"count\": %zu, \"seconds\": %.6f, \"cpu_s\": %.6f, \"queued\": %zu", orders_count,
           (double)(last_ns - orders[0].sent_ns) / (double)NANOSECONDS,
           (double)cpu_ns / (double)NANOSECONDS, queued);
    latency_report("late", offsetof(struct order, due_ns), offsetof(struct order, sent_ns));
    latency_report("send_to_ack", offsetof(struct order, sent_ns), offsetof(struct order, acked_ns));
    latency_report("send_to_push", offsetof(struct order, sent_ns),
                   offsetof(struct order, pushed_ns));
    latency_report("ack_to_push", offsetof(struct order, acked_ns),
                   offsetof(struct order, pushed_ns));
    printf("}\n");
}

int main(int argc, char **argv)
{
    uint64_t cpu_ns;
    double rate;
    int count;

    if (argc != 9)
        fail("usage: ws_post_to_push HOST PORT REQUESTS HASHES TOKEN CHANNEL RATE CONNECTIONS");
    host = argv[1];
    port = argv[2];
    rate = atof(argv[7]);
    count = atoi(argv[8]);
    if (!(rate >= 1 && rate <= 1e6) || count < 1 || count > CONNECTIONS_MAX)
        fail("1 to 1000000 requests per second over 1 to %d connections", CONNECTIONS_MAX);
    orders_load(argv[3], argv[4]);
    alarm((unsigned)((double)orders_count / rate + 3 * GRACE_S));
    subscribe(argv[5], argv[6]);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    watch(subscriber_fd, &subscriber_fd);
    watch(timer_fd, &timer_fd);
    posters_count = (size_t)count;
    posters = allocate(posters_count, sizeof *posters);
    for (size_t i = 0; i < posters_count; i++) {
        posters[i].fd = connect_to_server();
        watch(posters[i].fd, &posters[i]);
    }
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    run(rate);
    report(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns);
    return 0;
}
