#include "reading.h"

#include <string.h>

#include "board.h"
#include "device.h"
#include "link.h"

size_t put_number(char *to, uint32_t number)
{
    char digits[10];
    size_t count = 0, at;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    for (at = 0; at < count; ++at)
        to[at] = digits[count - 1 - at];
    return count;
}

/* What all of them have. Static, as it is large for a small stack. */
static iothub_system_properties system_properties;

/* With its number as a property, unless there is no room for it now. */
void reading_send(void)
{
    char number[10], payload[24] = "{\"celsius\":";
    size_t len = strlen(payload);
    iothub_property properties[2] = { { IOTHUB_STR_INIT("room"), IOTHUB_STR_INIT("boiler & tank") },
                                      { IOTHUB_STR_INIT("reading"), { number, 0 } } };
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_status status;

    if (counted.sent == READINGS || counted.sent - counted.acknowledged >= IN_FLIGHT)
        return;
    properties[1].value.len = put_number(number, counted.sent);
    len += put_number(payload + len, 20 + counted.sent % 10);
    payload[len++] = '}';
    system_properties.struct_size = sizeof system_properties;
    system_properties.content_type = IOTHUB_STR("application/json");
    message.payload = IOTHUB_BYTES(payload, len);
    message.properties = properties;
    message.properties_len = 2;
    message.system = &system_properties;
    status = iothub_client_send_telemetry(&client, board_ms(), &message, NULL);
    if (status == IOTHUB_OK)
        ++counted.sent;
    else if (status != IOTHUB_ERR_TX_FULL && status != IOTHUB_ERR_SLOTS_FULL)
        device_check(status);
}
