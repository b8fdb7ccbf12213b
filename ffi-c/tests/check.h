/* What the C tests share: C99 and C++17. A failed check says where and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include "iothub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what) check_that((what), #what, __FILE__, __LINE__)
#define CHECK_EQ(got, wanted) check_equal((long long)(got), (long long)(wanted), #got, __FILE__, __LINE__)
#define CHECK_STR(got, wanted) check_bytes((got).ptr, (got).len, (wanted), strlen(wanted), #got, __FILE__, __LINE__)
#define CHECK_MEM(got, got_len, wanted, wanted_len) \
    check_bytes((got), (got_len), (wanted), (wanted_len), #got, __FILE__, __LINE__)

/* The line that called the function a check stands in; 0 if it stands in the test itself. */
static int check_caller;

static inline void check_failed(const char *file, int line)
{
    fprintf(stderr, "%s:%d", file, line);
    if (check_caller != 0)
        fprintf(stderr, " (last called by line %d)", check_caller);
    fprintf(stderr, ": ");
}

static inline void check_that(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        check_failed(file, line);
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

static inline void check_equal(long long got, long long wanted, const char *what, const char *file, int line)
{
    if (got != wanted) {
        check_failed(file, line);
        fprintf(stderr, "%s is %lld, not %lld\n", what, got, wanted);
        exit(1);
    }
}

static inline void check_dump(const char *name, const void *bytes, size_t len)
{
    size_t i;
    fprintf(stderr, "  %s (%lu): ", name, (unsigned long)len);
    for (i = 0; i < len; i++) {
        unsigned char byte = ((const unsigned char *)bytes)[i];
        fprintf(stderr, byte >= ' ' && byte < 127 ? "%c" : "\\x%02x", byte);
    }
    fprintf(stderr, "\n");
}

static inline void check_bytes(const void *got, size_t got_len, const void *wanted, size_t wanted_len, const char *what,
                               const char *file, int line)
{
    if (got_len != wanted_len || (wanted_len > 0 && memcmp(got, wanted, wanted_len) != 0)) {
        check_failed(file, line);
        fprintf(stderr, "%s differs\n", what);
        check_dump("got   ", got, got_len);
        check_dump("wanted", wanted, wanted_len);
        exit(1);
    }
}

#endif
