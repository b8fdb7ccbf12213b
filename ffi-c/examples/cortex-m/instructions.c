/*
 * How many instructions the library takes for what a device does most. See ffi-c/sizes, which builds and runs it in QEMU
 * with `-icount shift=10`: there an instruction takes 1,024 ns, so that the timer, of 40 ns a tick, counts them.
 */
#include <iothub.h>

#include <string.h>

#include "board.h"

#define TIMER_CTRL (*(volatile uint32_t *)0xe000e010u)
#define TIMER_LOAD (*(volatile uint32_t *)0xe000e014u)
#define TIMER_VALUE (*(volatile uint32_t *)0xe000e018u)

#define DEVICEBOUND "devices/dev1/messages/devicebound/"

IOTHUB_STORAGE_WITH(storage, 1536, 8, 8);
static iothub_client client;
static uint8_t packet[1024], sent[512];
static size_t packet_len, sent_len;
static uint32_t began, overhead, failures;
static const uint64_t now = 1000;

/* Instructions from here to count(), which run in one piece: the timer interrupts nothing. */
static void begin(void)
{
    began = TIMER_VALUE;
}

static uint32_t passed(void)
{
    uint32_t ticks = (began - TIMER_VALUE) & 0xffffffu;
    /* 1,024 ns are 25.6 ticks. */
    return (ticks * 10 + 128) / 256;
}

static void count(const char *what)
{
    board_print_number(what, passed() - overhead);
}

static void check(bool holds)
{
    failures += !holds;
}

static void put(const void *bytes, size_t len)
{
    memcpy(packet + packet_len, bytes, len);
    packet_len += len;
}

/* Puts a PUBLISH of the hub into `packet`. */
static void publish(uint8_t first, const char *topic, const char *rest, const void *payload, size_t payload_len)
{
    size_t topic_len = strlen(topic) + strlen(rest), remaining = 2 + topic_len + (first & 2) + payload_len;
    uint8_t header[5] = { first, (uint8_t)(remaining | 0x80), (uint8_t)(remaining >> 7), 0, (uint8_t)topic_len };
    packet_len = 0;
    check(remaining >= 128 && remaining < 16384 && topic_len < 256);
    put(header, sizeof header);
    put(topic, strlen(topic));
    put(rest, strlen(rest));
    if (first & 2)
        put("\0\7", 2);
    put(payload, payload_len);
}

/* Sends all there is, and keeps it in `sent`. */
static void send_all(void)
{
    const uint8_t *bytes;
    int32_t len;
    sent_len = 0;
    while ((len = iothub_client_poll_transmit(&client, &bytes)) > 0) {
        memcpy(sent + sent_len, bytes, (size_t)len);
        sent_len += (size_t)len;
        check(iothub_client_confirm_transmit(&client, now, (size_t)len) == IOTHUB_OK);
    }
}

static void feed(const void *bytes, size_t len, uint32_t kind, iothub_event *event)
{
    size_t consumed;
    check(iothub_client_handle_input(&client, now, bytes, len, &consumed, NULL, event) == IOTHUB_OK);
    check(consumed == len && event->kind == kind);
}

static void sign_in(void)
{
    iothub_config config;
    iothub_connect options = IOTHUB_CONNECT_INIT;
    iothub_event event;
    check(iothub_config_init(&config, sizeof config) == IOTHUB_OK);
    config.host_name = IOTHUB_STR("contoso.azure-devices.net");
    config.device_id = IOTHUB_STR("dev1");
    config.twin_sync = 0;
    check(iothub_client_init(&client, sizeof client, &config, &storage, NULL) == IOTHUB_OK);
    check(iothub_client_connect(&client, now, &options) == IOTHUB_OK);
    send_all();
    feed("\x20\x02\x00\x00", 4, IOTHUB_EVENT_CONNECTED, &event);
    send_all();
    feed("\x90\x06\xff\xff\x01\x00\x00\x00", 8, IOTHUB_EVENT_READY, &event);
    send_all();
}

/* A cloud-to-device message at QoS 1, 64 bytes and 5 properties, from its bytes to those of its PUBACK. */
static void message(void)
{
    static const char payload[64] = "{}";
    static const uint8_t puback[4] = { 0x40, 2, 0, 7 };
    iothub_event event;
    iothub_property_iter properties;
    iothub_received_property property;
    size_t consumed, len;
    const uint8_t *out;
    char text[64];
    uint32_t decoded = 0, taken;
    publish(0x32, DEVICEBOUND,
            "%24.mid=6f1c7d0e-3a44-4c7a-9d2b-5e0f1a2b3c4d&%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound"
            "&iothub-ack=full&colour=dark%20red&room=boiler%20%26%20tank",
            payload, sizeof payload);
    begin();
    iothub_client_handle_input(&client, now, packet, packet_len, &consumed, NULL, &event);
    iothub_properties_iter(event.u.message.properties, &properties);
    while (iothub_properties_next(&properties, &property) == 1)
        decoded += iothub_text_decode(property.value, text, sizeof text, &len) == IOTHUB_OK;
    iothub_client_message_accept(&client, now, event.u.message.token);
    len = (size_t)iothub_client_poll_transmit(&client, &out);
    iothub_client_confirm_transmit(&client, now, len);
    taken = passed() - overhead;
    check(event.kind == IOTHUB_EVENT_MESSAGE && consumed == packet_len && decoded == 5);
    check(len == sizeof puback && memcmp(out, puback, sizeof puback) == 0);
    board_print_number("message", taken);
}

/* The answer to a reported patch: 204. */
static void twin_response(void)
{
    iothub_event event;
    char topic[64] = "$iothub/twin/res/204/?$rid=";
    size_t consumed, id = 0;
    uint32_t taken;
    check(iothub_client_twin_report(&client, now, IOTHUB_BYTES_STR("{\"a\":1}"), NULL) == IOTHUB_OK);
    send_all();
    while (memcmp(sent + id, "$rid=", 5) != 0)
        ++id;
    id += 5;
    memcpy(topic + strlen(topic), sent + id, sent_len - id - 7);
    strcat(topic, "&$version=17");
    packet[0] = 0x30;
    packet[1] = (uint8_t)(2 + strlen(topic));
    packet[2] = 0;
    packet[3] = (uint8_t)strlen(topic);
    memcpy(packet + 4, topic, strlen(topic));
    packet_len = 4 + strlen(topic);
    begin();
    iothub_client_handle_input(&client, now, packet, packet_len, &consumed, NULL, &event);
    taken = passed() - overhead;
    check(event.kind == IOTHUB_EVENT_TWIN_REPORTED && consumed == packet_len && event.u.twin_reported.version == 17);
    board_print_number("twin_response", taken);
}

static void method_request(void)
{
    static const char payload[100] = "{}";
    iothub_event event;
    size_t consumed;
    uint32_t taken;
    publish(0x30, "$iothub/methods/POST/reboot/?$rid=5", "", payload, sizeof payload);
    begin();
    iothub_client_handle_input(&client, now, packet, packet_len, &consumed, NULL, &event);
    taken = passed() - overhead;
    check(event.kind == IOTHUB_EVENT_METHOD_CALL && consumed == packet_len && event.u.method_call.name.len == 6);
    board_print_number("method_request", taken);
}

/* Topic with 3 properties and PUBLISH of 64 bytes, from the call to the bytes to send. */
static void telemetry(void)
{
    static const char payload[64] = "{}";
    static const iothub_property properties[3] = { { IOTHUB_STR_INIT("room"), IOTHUB_STR_INIT("boiler & tank") },
                                                   { IOTHUB_STR_INIT("reading"), IOTHUB_STR_INIT("4711") },
                                                   { IOTHUB_STR_INIT("unit"), IOTHUB_STR_INIT("celsius") } };
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_status status;
    const uint8_t *out;
    int32_t len;
    uint32_t taken;
    message.payload = IOTHUB_BYTES(payload, sizeof payload);
    message.properties = properties;
    message.properties_len = 3;
    begin();
    status = iothub_client_send_telemetry(&client, now, &message, NULL);
    len = iothub_client_poll_transmit(&client, &out);
    taken = passed() - overhead;
    check(status == IOTHUB_OK && len > 128 && out[0] == 0x32);
    board_print_number("telemetry", taken);
    send_all();
}

int main(void)
{
    TIMER_CTRL = 0;
    TIMER_LOAD = 0xffffff;
    TIMER_VALUE = 0;
    TIMER_CTRL = 5; /* the processor's clock, no interrupt */
    begin();
    overhead = passed();
    begin();
    /* What is known must be counted right, else nothing that follows is worth anything. */
    __asm__ volatile(".rept 1000\n nop\n .endr");
    count("thousand");
    sign_in();
    message();
    twin_response();
    method_request();
    telemetry();
    board_print_number("failures", failures);
    return failures == 0 ? 0 : 1;
}
