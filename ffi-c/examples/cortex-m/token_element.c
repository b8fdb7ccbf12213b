#include "token.h"

#include "board.h"
#include "link.h"

iothub_status token_start(void)
{
    return IOTHUB_OK;
}

/* The library says what is to be signed, and makes a token of the signature. The key never leaves the element. */
iothub_status token_make(uint32_t unix_seconds, char *to, size_t size, size_t *len)
{
    iothub_resource resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_DEVICE);
    iothub_str no_name = { NULL, 0 };
    uint8_t signature[32];
    uint32_t expiry = board_expiry(unix_seconds + TOKEN_SECONDS);
    iothub_status status;
    resource.host = IOTHUB_STR(HOST);
    resource.id = IOTHUB_STR(DEVICE);
    status = iothub_sas_string_to_sign(&resource, expiry, to, size, len);
    if (status != IOTHUB_OK)
        return status;
    board_sign(to, *len, signature);
    return iothub_sas_token(&resource, signature, expiry, no_name, to, size, len);
}
