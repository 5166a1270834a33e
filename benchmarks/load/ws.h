/* What the ws_*.c programs share: failing, time, WebSocket frames, and as much JSON as the
 * protocol in them needs. Everything here is `static inline`: a program takes what it uses.
 *
 * Define PROGRAM, the name in messages, before including this.
 */
#ifndef WS_H
#define WS_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000ull
#define LIFE_MAX_S (24 * 3600)
#define WS_HEADER_MAX 14                   /* bytes before a payload, mask included */
#define WS_PAYLOAD_MAX (16 * 1024 * 1024u) /* of a frame that we are sent */
#define WS_CONTROL_MAX 125                 /* payload of a control frame */

enum { WS_TEXT = 1, WS_CLOSE = 8 };

static inline _Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs(PROGRAM ": ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (memory == NULL)
        fail("out of memory");
    return memory;
}

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static inline uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* Let this process have as many descriptors as it may. */
static inline void descriptors_allow(size_t count)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= count)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < count || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("%zu descriptors are needed, %zu allowed", count, (size_t)limit.rlim_max);
}

/* End this process by SIGALRM after so many seconds, whatever it does then. */
static inline void life_end_after(const char *seconds)
{
    double life = atof(seconds);

    if (!(life >= 1 && life <= LIFE_MAX_S))
        fail("a life of 1 to %d seconds", LIFE_MAX_S);
    alarm((unsigned)life);
}

/* ---- text ---- */

struct span {
    const char *at, *end;
};

static inline size_t span_size(struct span span)
{
    return (size_t)(span.end - span.at);
}

static inline bool span_is(struct span span, const char *text)
{
    return span_size(span) == strlen(text) && memcmp(span.at, text, span_size(span)) == 0;
}

static inline bool span_equal(struct span left, struct span right)
{
    return span_size(left) == span_size(right) && memcmp(left.at, right.at, span_size(left)) == 0;
}

static inline struct span file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        fail("cannot read %s: %s", path, strerror(errno));
    rewind(file);
    bytes = allocate((size_t)size + 1, 1);
    if (fread(bytes, 1, (size_t)size, file) != (size_t)size)
        fail("cannot read %s", path);
    fclose(file);
    return (struct span){bytes, bytes + size};
}

/* ---- JSON: find a member, walk an array; values are looked at in place ---- */

static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline const char *json_blank(const char *at, const char *end)
{
    while (at < end && json_is_blank(*at))
        at++;
    return at;
}

/* Behind the closing quote of the text that begins at `at`; NULL if it does not end. */
static inline const char *json_text_end(const char *at, const char *end)
{
    const char *quote = ++at < end ? memchr(at, '"', (size_t)(end - at)) : NULL;

    if (quote == NULL || memchr(at, '\\', (size_t)(quote - at)) == NULL)
        return quote == NULL ? NULL : quote + 1;
    for (; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* Behind the value that begins at `at`; NULL if it does not end. */
static inline const char *json_end(const char *at, const char *end)
{
    int depth = 0;

    while (at < end) {
        if (*at == '"') {
            if ((at = json_text_end(at, end)) == NULL)
                return NULL;
            if (depth == 0)
                return at;
            continue;
        }
        if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth-- == 0)
                return at; /* the end of a number or word: this closes what it stands in */
            if (depth == 0)
                return at + 1;
        } else if (depth == 0 && *at == ',') {
            return at;
        }
        at++;
    }
    return depth == 0 ? at : NULL;
}

/* The value that begins at `at`, blanks before it aside; returns where it ends, NULL if it does not. */
static inline const char *json_value(const char *at, const char *end, struct span *value)
{
    value->at = json_blank(at, end);
    if ((at = json_end(value->at, end)) == NULL)
        return NULL;
    for (value->end = at; value->end > value->at && json_is_blank(value->end[-1]);)
        value->end--; /* blanks behind a number or word */
    return at;
}

/* The value of an object's member; false if there is none of that name. */
static inline bool json_member(struct span object, const char *name, struct span *value)
{
    const char *at = json_blank(object.at, object.end), *end = object.end;

    if (at == end || *at != '{')
        return false;
    for (at = json_blank(at + 1, end); at < end && *at == '"'; at = json_blank(at + 1, end)) {
        struct span key = {at + 1, NULL};

        if ((at = json_text_end(at, end)) == NULL)
            return false;
        key.end = at - 1;
        at = json_blank(at, end);
        if (at == end || *at != ':')
            return false;
        if ((at = json_value(at + 1, end, value)) == NULL)
            return false;
        if (span_is(key, name))
            return true;
        at = json_blank(at, end);
        if (at == end || *at != ',')
            return false;
    }
    return false;
}

/* The next element of the array that [*at, end) is the rest of; start with `*at` at its bracket. */
static inline bool json_element(const char **at, const char *end, struct span *value)
{
    const char *from = json_blank(*at, end);

    if (from == end || (*from != '[' && *from != ','))
        return false;
    if ((from = json_value(from + 1, end, value)) == NULL || span_size(*value) == 0)
        return false;
    *at = from;
    return true;
}

/* The text of a JSON string, as it is written. */
static inline struct span json_text(struct span value)
{
    if (span_size(value) < 2 || *value.at != '"')
        return (struct span){value.at, value.at};
    return (struct span){value.at + 1, value.end - 1};
}

static inline uint64_t json_number(struct span value)
{
    uint64_t number = 0;

    for (; value.at < value.end && *value.at >= '0' && *value.at <= '9'; value.at++)
        number = number * 10 + (uint64_t)(*value.at - '0');
    return number;
}

/* The number of an object's member; 0 if it has none: that is how a 0 is written. */
static inline uint64_t json_number_of(struct span object, const char *name)
{
    struct span value;

    return json_member(object, name, &value) ? json_number(value) : 0;
}

static inline bool json_is_true(struct span object, const char *name)
{
    struct span value;

    return json_member(object, name, &value) && span_is(value, "true");
}

/* ---- WebSocket ---- */

struct ws_frame {
    int opcode;
    struct span payload;
    size_t size; /* of the whole frame */
};

/* A client's request for the upgrade. The key is fixed: nobody here checks what is made of it. */
static inline size_t ws_upgrade(char *out, size_t room, const char *host, const char *port)
{
    int size = snprintf(out, room,
                        "GET /connection/websocket HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n",
                        host, port);

    if (size < 0 || (size_t)size >= room)
        fail("no room for the handshake");
    return (size_t)size;
}

/* The size of the head that answers the upgrade; 0 while it is not complete. */
static inline size_t ws_upgraded(const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);

    if (end == NULL)
        return 0;
    if (size < 12 || memcmp(bytes, "HTTP/1.1 101", 12) != 0)
        fail("no upgrade: %.*s", (int)(size < 300 ? size : 300), bytes);
    return (size_t)(end - bytes) + 4;
}

static const unsigned char ws_mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* The next frame of a peer that masks or does not; false while it is not complete. Unmasks it. */
static inline bool ws_next(char *bytes, size_t size, bool masked, struct ws_frame *frame)
{
    unsigned char *b = (unsigned char *)bytes;
    uint64_t payload;
    size_t head = 2;

    if (size < 2)
        return false;
    if (!(b[0] & 0x80) || b[0] & 0x70 || !(b[1] & 0x80) == masked)
        fail("a split, compressed or wrongly masked frame (%02x %02x)", b[0], b[1]);
    payload = b[1] & 0x7f;
    if (payload >= 126) {
        size_t wide = payload == 126 ? 2 : 8;

        if (size < head + wide)
            return false;
        for (payload = 0; head < 2 + wide; head++)
            payload = payload << 8 | b[head];
    }
    if (payload > WS_PAYLOAD_MAX)
        fail("a frame of %llu bytes", (unsigned long long)payload);
    head += masked ? sizeof ws_mask : 0;
    if (size < head || size - head < payload)
        return false;
    if (masked)
        for (size_t i = 0; i < payload; i++)
            b[head + i] ^= b[head - sizeof ws_mask + (i & 3)];
    frame->opcode = b[0] & 0x0f;
    frame->payload = (struct span){bytes + head, bytes + head + payload};
    frame->size = head + (size_t)payload;
    return true;
}

/* Write a frame, masked as a client must; `out` has room for WS_HEADER_MAX and the payload. */
static inline size_t ws_write(char *out, int opcode, bool masked, const char *payload, size_t size)
{
    unsigned char *o = (unsigned char *)out;
    unsigned char mark = masked ? 0x80 : 0;
    size_t head = 2;

    o[0] = (unsigned char)(0x80 | opcode);
    if (size < 126) {
        o[1] = (unsigned char)(mark | size);
    } else {
        size_t wide = size <= 0xffff ? 2 : 8;

        o[1] = (unsigned char)(mark | (wide == 2 ? 126 : 127));
        for (size_t i = 0; i < wide; i++)
            o[head++] = (unsigned char)(size >> 8 * (wide - 1 - i));
    }
    if (masked) {
        memcpy(o + head, ws_mask, sizeof ws_mask);
        head += sizeof ws_mask;
    }
    for (size_t i = 0; i < size; i++)
        o[head + i] = (unsigned char)payload[i] ^ (masked ? ws_mask[i & 3] : 0);
    return head + size;
}

/* What a close frame says: its code, 1005 if it says none. */
static inline unsigned ws_close_code(struct span payload)
{
    const unsigned char *b = (const unsigned char *)payload.at;

    return span_size(payload) < 2 ? 1005 : (unsigned)(b[0] << 8 | b[1]);
}

/* ---- percentiles ---- */

static inline int by_value(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return a < b ? -1 : a > b;
}

/* The smallest of the sorted values that `percent` of them do not exceed; 0 of none. */
static inline int64_t percentile(const int64_t *sorted, size_t count, unsigned percent)
{
    size_t rank = (count * percent + 99) / 100;

    return count == 0 ? 0 : sorted[rank == 0 ? 0 : rank - 1];
}

#endif
