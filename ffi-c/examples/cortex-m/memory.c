/*
 * memcpy and its like, for firmware that counts bytes: those of the library and of newlib are fast with large blocks, and
 * take 400 bytes more, and stack. The names with `aeabi` are the ones that the compilers call on ARM.
 */
#include <stddef.h>
#include <stdint.h>

/* Else gcc makes calls of memcpy out of these loops. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

#define ALIAS(name, of) __typeof__(of) name __attribute__((alias(#of), copy(of)))

void *memcpy(void *to, const void *from, size_t len)
{
    uint8_t *put = to;
    const uint8_t *get = from;
    if ((((uintptr_t)put | (uintptr_t)get) & 3) == 0)
        for (; len >= 4; len -= 4, put += 4, get += 4)
            *(uint32_t *)put = *(const uint32_t *)get;
    while (len-- > 0)
        *put++ = *get++;
    return to;
}

ALIAS(__aeabi_memcpy, memcpy);
ALIAS(__aeabi_memcpy4, memcpy);
ALIAS(__aeabi_memcpy8, memcpy);

/* `word` is the byte four times. */
static void fill(uint8_t *put, size_t len, uint32_t word)
{
    if (((uintptr_t)put & 3) == 0)
        for (; len >= 4; len -= 4, put += 4)
            *(uint32_t *)put = word;
    while (len-- > 0)
        *put++ = (uint8_t)word;
}

void *memset(void *to, int byte, size_t len)
{
    fill(to, len, (uint8_t)byte * 0x01010101u);
    return to;
}

void __aeabi_memset(void *to, size_t len, int byte)
{
    memset(to, byte, len);
}

ALIAS(__aeabi_memset4, __aeabi_memset);
ALIAS(__aeabi_memset8, __aeabi_memset);

void __aeabi_memclr(void *to, size_t len)
{
    fill(to, len, 0);
}

ALIAS(__aeabi_memclr4, __aeabi_memclr);
ALIAS(__aeabi_memclr8, __aeabi_memclr);

int memcmp(const void *left, const void *right, size_t len)
{
    const uint8_t *a = left, *b = right;
    for (; len > 0; --len, ++a, ++b)
        if (*a != *b)
            return *a - *b;
    return 0;
}
