/* The bare limit of signature recovery: the C library itself, no interpreter, no allocation.
 *
 * One turn is the work needed to get an uncompressed public key out of a digest and a signature:
 * parse the compact signature, recover the key, serialize it. Hashing is not part of it.
 *
 * This file is built as a shared object and knows no library: the caller hands over the functions
 * of the very library that the server uses (the one inside the coincurve wheel).
 */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    CONTEXT_VERIFY = 0x0101,
    KEY_UNCOMPRESSED = 0x0002,
    KEY_SIZE = 65,
    TURNS_PER_LOOK = 64, /* turns between two looks at the clock */
};

/* The library's types are opaque; these are their documented sizes. */
typedef struct { unsigned char data[65]; } recoverable_signature;
typedef struct { unsigned char data[64]; } public_key;

struct library {
    void *(*context_create)(unsigned int flags);
    void (*context_destroy)(void *context);
    int (*parse_compact)(const void *context, recoverable_signature *out,
                         const unsigned char *compact64, int recovery_id);
    int (*recover)(const void *context, public_key *out, const recoverable_signature *signature,
                   const unsigned char *digest32);
    int (*serialize)(const void *context, unsigned char *out, size_t *out_size,
                     const public_key *key, unsigned int flags);
};

/* One signature and, after the loop, the key that signed it. */
struct recover_case {
    unsigned char digest[32];
    unsigned char compact[64];
    unsigned char recovery_id;
    unsigned char key[KEY_SIZE];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int recover_one(const struct library *library, const void *context,
                       struct recover_case *one)
{
    recoverable_signature signature;
    public_key key;
    size_t size = KEY_SIZE;

    /* A recovery id outside 0..3 would abort the process. */
    return one->recovery_id <= 3
        && library->parse_compact(context, &signature, one->compact, one->recovery_id)
        && library->recover(context, &key, &signature, one->digest)
        && library->serialize(context, one->key, &size, &key, KEY_UNCOMPRESSED);
}

/* Recover the cases in turn, again and again, for `limit_s` seconds.
 * Returns recoveries per second, or -1 when one of them failed. */
double recover_loop(const struct library *library, struct recover_case *cases, size_t count,
                    double limit_s)
{
    void *context = library->context_create(CONTEXT_VERIFY);
    size_t turns = 0, next = 0;
    double started, elapsed;
    int recovered = context != NULL && count > 0;

    started = now_s();
    do {
        for (int i = 0; recovered && i < TURNS_PER_LOOK; i++) {
            recovered = recover_one(library, context, &cases[next]);
            next = next + 1 == count ? 0 : next + 1;
        }
        turns += TURNS_PER_LOOK;
        elapsed = now_s() - started;
    } while (recovered && elapsed < limit_s);

    if (context != NULL)
        library->context_destroy(context);
    return recovered ? (double)turns / elapsed : -1.0;
}
