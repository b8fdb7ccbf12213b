#include "device.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The largest packet that is delivered; a larger one is reported, and passes by. */
#define MAX_PACKET 16384
/* Readings on their way, 200 bytes each with their topic, and answers. See "How much memory" in ffi-c/README.md. */
IOTHUB_STORAGE(storage, 16384, 64);
static uint8_t rx_memory[MAX_PACKET];

iothub_status device_init(device *device, const iothub_connection_string *name)
{
    iothub_config config;
    iothub_status status = iothub_config_init(&config, sizeof config);
    memset(device, 0, sizeof *device);
    device->interval_ms = 5000;
    device->report_at = IOTHUB_NEVER;
    config.host_name = name->host_name;
    config.device_id = name->device_id;
    config.module_id = name->module_id;
    config.product = IOTHUB_STR("posix-tls/1");
    config.max_packet = MAX_PACKET;
    if (status == IOTHUB_OK)
        status = iothub_rx_init(&device->rx, sizeof device->rx, rx_memory, sizeof rx_memory);
    if (status == IOTHUB_OK)
        status = iothub_client_init(&device->client, sizeof device->client, &config, &storage, NULL);
    return status;
}

static void complain(const char *what, iothub_status status)
{
    fprintf(stderr, "%s: %s\n", what, iothub_status_str(status));
}

/* One reading, kept until the hub has stored it. If there is no room for it now, the next one will do. */
static void take_reading(device *device)
{
    char payload[64], number[16];
    iothub_property properties[2] = { { IOTHUB_STR_INIT("room"), IOTHUB_STR_INIT("boiler & tank") },
                                      { IOTHUB_STR_INIT("reading"), { number, 0 } } };
    iothub_system_properties system = IOTHUB_SYSTEM_PROPERTIES_INIT;
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_status status;
    int len = snprintf(payload, sizeof payload, "{\"celsius\":%.1f}", 20.0 + device->readings % 10 / 2.0);

    properties[1].value.len = (size_t)snprintf(number, sizeof number, "%" PRIu32, device->readings);
    /* With these two the hub can route by what is in the body. */
    system.content_type = IOTHUB_STR("application/json");
    system.content_encoding = IOTHUB_STR("utf-8");
    message.payload = IOTHUB_BYTES(payload, (size_t)len);
    message.properties = properties;
    message.properties_len = sizeof properties / sizeof *properties;
    message.system = &system;
    status = iothub_client_send_telemetry(&device->client, clock_ms(), &message, NULL);
    if (status == IOTHUB_OK)
        ++device->readings;
    else if (status != IOTHUB_ERR_TX_FULL && status != IOTHUB_ERR_SLOTS_FULL)
        complain("a reading", status);
}

/* A cloud-to-device message. What is accepted does not come again: accept it when it has been dealt with. */
static void take_message(device *device, const iothub_event_message *message)
{
    iothub_property_iter properties;
    iothub_received_property property;
    char text[64];
    size_t len;
    printf("message: %.*s\n", (int)message->payload.len, (const char *)message->payload.ptr);
    if (iothub_properties_iter(message->properties, &properties) == IOTHUB_OK) {
        while (iothub_properties_next(&properties, &property) == 1) {
            if (property.system == IOTHUB_SYSTEM_NONE &&
                iothub_text_decode(property.value, text, sizeof text, &len) == IOTHUB_OK)
                printf("  %.*s = %.*s\n", (int)property.name.len, property.name.ptr, (int)len, text);
        }
    }
    if (message->token != IOTHUB_TOKEN_NONE) /* there is none at QoS 0 */
        iothub_client_message_accept(&device->client, clock_ms(), message->token);
}

/* "blink" with {"times":3}, and "refresh". The answer can also be given later: iothub_request_keep(). */
static void answer(device *device, const iothub_event_method_call *call)
{
    char body[64] = "{}";
    uint32_t result = 404;
    iothub_status status;
    printf("method: %.*s\n", (int)call->name.len, call->name.ptr);
    if (iothub_text_equals(call->name, IOTHUB_STR("blink")) == 1) {
        cJSON *payload = cJSON_ParseWithLength((const char *)call->payload.ptr, call->payload.len);
        const cJSON *times = cJSON_GetObjectItemCaseSensitive(payload, "times");
        result = 400;
        if (cJSON_IsNumber(times) && times->valueint > 0) {
            snprintf(body, sizeof body, "{\"blinked\":%d}", times->valueint);
            result = 200;
        }
        cJSON_Delete(payload);
    } else if (iothub_text_equals(call->name, IOTHUB_STR("refresh")) == 1) {
        /* The twin once more. IOTHUB_EVENT_TWIN_DOCUMENT brings it, as after each connect. */
        status = iothub_client_twin_get(&device->client, clock_ms(), NULL);
        result = status == IOTHUB_OK ? 202 : 503;
    }
    status = iothub_client_method_respond(&device->client, clock_ms(), &call->request, result,
                                          IOTHUB_BYTES(body, strlen(body)));
    if (status != IOTHUB_OK)
        complain("an answer", status);
}

/* Applies the desired properties, and has them reported. */
static void apply(device *device, const cJSON *desired, uint64_t version)
{
    const cJSON *interval = cJSON_GetObjectItemCaseSensitive(desired, "interval_ms");
    if (!cJSON_IsNumber(interval) || interval->valueint < 1)
        return;
    device->interval_ms = (uint64_t)interval->valueint;
    device->desired = version;
    device->report_at = clock_ms();
    if (device->reading_at > clock_ms() + device->interval_ms)
        device->reading_at = clock_ms() + device->interval_ms;
    printf("twin: a reading each %d ms\n", interval->valueint);
}

/* Reports in the form that IoT Plug and Play has for what was desired. */
static void report(device *device)
{
    char patch[128];
    iothub_status status;
    int len = snprintf(patch, sizeof patch,
                       "{\"interval_ms\":{\"value\":%" PRIu64 ",\"ac\":200,\"av\":%" PRIu64 "}}", device->interval_ms,
                       device->desired);
    status = iothub_client_twin_report(&device->client, clock_ms(), IOTHUB_BYTES(patch, (size_t)len), NULL);
    if (status != IOTHUB_OK) {
        device->report_at = clock_ms() + 1000;
        complain("a report", status);
    } else {
        device->report_at = IOTHUB_NEVER;
    }
}

void device_handle(device *device, const iothub_event *event)
{
    switch (event->kind) {
    case IOTHUB_EVENT_CONNECTED:
        printf("signed in\n");
        break;
    case IOTHUB_EVENT_MESSAGE:
        take_message(device, &event->u.message);
        break;
    case IOTHUB_EVENT_METHOD_CALL:
        answer(device, &event->u.method_call);
        break;
    case IOTHUB_EVENT_TWIN_DOCUMENT: {
        const iothub_event_twin_document *document = &event->u.twin_document;
        cJSON *twin = cJSON_ParseWithLength((const char *)document->payload.ptr, document->payload.len);
        if (!document->stale)
            apply(device, cJSON_GetObjectItemCaseSensitive(twin, "desired"), document->version);
        cJSON_Delete(twin);
        break;
    }
    case IOTHUB_EVENT_TWIN_DESIRED: {
        const iothub_event_twin_desired *desired = &event->u.twin_desired;
        cJSON *patch = cJSON_ParseWithLength((const char *)desired->payload.ptr, desired->payload.len);
        apply(device, patch, desired->version);
        cJSON_Delete(patch);
        break;
    }
    case IOTHUB_EVENT_REQUEST_FAILED: /* throttled, or the connection ended: whatever was asked, the report is still right */
        device->report_at = clock_ms() + 10000;
        break;
    case IOTHUB_EVENT_SKIPPED: /* larger than MAX_PACKET: it would come again and again */
        fprintf(stderr, "too large: %.*s\n", (int)event->u.skipped.topic.len, event->u.skipped.topic.ptr);
        if (event->u.skipped.token != IOTHUB_TOKEN_NONE)
            iothub_client_message_accept(&device->client, clock_ms(), event->u.skipped.token);
        if (event->u.skipped.request.id.ptr != NULL)
            iothub_client_method_respond(&device->client, clock_ms(), &event->u.skipped.request, 413,
                                         IOTHUB_BYTES_STR("{}"));
        break;
    default: /* what this device has no use for, and what later libraries may tell */
        break;
    }
}

void device_work(device *device)
{
    uint64_t now = clock_ms();
    if (now >= device->report_at)
        report(device);
    if (now >= device->reading_at) {
        take_reading(device);
        device->reading_at = now + device->interval_ms;
    }
}

uint64_t device_due(const device *device)
{
    return device->reading_at < device->report_at ? device->reading_at : device->report_at;
}
