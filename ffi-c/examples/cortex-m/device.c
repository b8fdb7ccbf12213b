/* Sends 100 readings at QoS 1, accepts messages, answers methods, applies the desired property "limit" and reports it. */
#include "device.h"

#include <string.h>

#include "board.h"
#include "link.h"
#include "reading.h"

const uint32_t device_features = IOTHUB_FEATURE_ALL;
const uint8_t device_streams = 0;

/* The number behind "limit": in a patch or document; false if there is none. */
static bool find_limit(iothub_bytes json, uint32_t *limit)
{
    static const char name[] = "\"limit\":";
    size_t at;
    for (at = 0; at + sizeof name <= json.len; ++at) {
        if (memcmp(json.ptr + at, name, sizeof name - 1) == 0) {
            *limit = 0;
            for (at += sizeof name - 1; at < json.len && json.ptr[at] >= '0' && json.ptr[at] <= '9'; ++at)
                *limit = *limit * 10 + (uint32_t)(json.ptr[at] - '0');
            return true;
        }
    }
    return false;
}

static void apply(iothub_bytes json)
{
    char patch[32] = "{\"limit\":";
    size_t len = strlen(patch);
    uint32_t limit;
    if (!find_limit(json, &limit))
        return;
    counted.limit = limit;
    len += put_number(patch + len, limit);
    patch[len++] = '}';
    device_check(iothub_client_twin_report(&client, board_ms(), IOTHUB_BYTES(patch, len), NULL));
}

void device_handle(const iothub_event *event)
{
    uint64_t now = board_ms();
    switch (event->kind) {
    case IOTHUB_EVENT_TELEMETRY_ACKED:
        ++counted.acknowledged;
        break;
    case IOTHUB_EVENT_MESSAGE: {
        iothub_received_property colour;
        if (iothub_properties_get(event->u.message.properties, IOTHUB_STR("colour"), &colour) == 1 &&
            iothub_text_equals(colour.value, IOTHUB_STR("dark red")) == 1)
            ++counted.messages;
        if (event->u.message.token != IOTHUB_TOKEN_NONE)
            device_check(iothub_client_message_accept(&client, now, event->u.message.token));
        break;
    }
    case IOTHUB_EVENT_METHOD_CALL:
        ++counted.methods;
        device_check(iothub_client_method_respond(&client, now, &event->u.method_call.request, 200,
                                                  event->u.method_call.payload));
        break;
    case IOTHUB_EVENT_TWIN_DOCUMENT:
        ++counted.documents;
        apply(event->u.twin_document.payload);
        break;
    case IOTHUB_EVENT_TWIN_DESIRED:
        ++counted.patches;
        apply(event->u.twin_desired.payload);
        break;
    case IOTHUB_EVENT_TWIN_REPORTED:
        ++counted.reported;
        break;
    default:
        break;
    }
}

void device_work(void)
{
    reading_send();
}

bool device_done(void)
{
    return counted.acknowledged >= READINGS && counted.messages && counted.methods && counted.reported &&
           counted.limit == 42;
}
