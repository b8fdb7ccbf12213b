/* The password of a connection. token_key.c signs it with a key in flash, token_element.c has a secure element do it. */
#ifndef TOKEN_H
#define TOKEN_H

#include <iothub.h>

#define TOKEN_SECONDS 3600

/* Once, at the start. */
iothub_status token_start(void);
/* Writes a token that is valid from now on for TOKEN_SECONDS. */
iothub_status token_make(uint32_t unix_seconds, char *to, size_t size, size_t *len);

#endif
