#include "token.h"

#include "link.h"

/* Where a product would read its own from a secure place. */
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static iothub_key key;

iothub_status token_start(void)
{
    return iothub_key_init(&key, sizeof key, IOTHUB_STR(KEY), NULL);
}

iothub_status token_make(uint32_t unix_seconds, char *to, size_t size, size_t *len)
{
    iothub_resource resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_DEVICE);
    iothub_str no_name = { NULL, 0 };
    resource.host = IOTHUB_STR(HOST);
    resource.id = IOTHUB_STR(DEVICE);
    return iothub_key_token(&key, &resource, unix_seconds + TOKEN_SECONDS, no_name, to, size, len);
}
