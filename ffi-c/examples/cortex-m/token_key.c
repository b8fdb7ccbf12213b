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
    static const iothub_resource resource = {
        .struct_size = sizeof resource,
        .kind = IOTHUB_RESOURCE_DEVICE,
        .host = IOTHUB_STR_INIT(HOST),
        .id = IOTHUB_STR_INIT(DEVICE),
    };
    iothub_str no_name = { NULL, 0 };
    return iothub_key_token(&key, &resource, unix_seconds + TOKEN_SECONDS, no_name, to, size, len);
}
