/* Registrations at the Device Provisioning Service, the service's bytes written by hand. */
#include "packets.h"

static iothub_provisioning client;
static iothub_rx rx;
static iothub_event event;
static packets sent;
static uint8_t tx[1024], rx_memory[1024];
static uint64_t now = 5000;

static void collect(void)
{
    const uint8_t *out;
    int32_t lent;
    sent.len = 0;
    while ((lent = iothub_provisioning_poll_transmit(&client, &out)) > 0) {
        packets_put(&sent, out, (size_t)lent);
        CHECK_EQ(iothub_provisioning_confirm_transmit(&client, now, (size_t)lent), IOTHUB_OK);
    }
    CHECK_EQ(lent, 0);
}

static bool was_sent(const char *text)
{
    size_t len = strlen(text), at;
    for (at = 0; at + len <= sent.len; at++)
        if (memcmp(sent.bytes + at, text, len) == 0)
            return true;
    return false;
}

static iothub_status poll_event(void)
{
    return iothub_provisioning_poll_event(&client, now, &rx, &event);
}

static void expect(const packets *from_service, uint32_t kind)
{
    uint8_t *room;
    size_t len;
    CHECK_EQ(iothub_rx_space(&rx, &room, &len), IOTHUB_OK);
    CHECK(len >= from_service->len);
    memcpy(room, from_service->bytes, from_service->len);
    CHECK_EQ(iothub_rx_commit(&rx, from_service->len), IOTHUB_OK);
    CHECK_EQ(poll_event(), IOTHUB_OK);
    CHECK_EQ(event.kind, kind);
}

static void expect_bytes(const char *bytes, size_t len, uint32_t kind)
{
    static packets from_service;
    from_service.len = 0;
    packets_put(&from_service, bytes, len);
    expect(&from_service, kind);
}

/* The answer to what was sent last: `$rid=` and what follows it up to the end of the topic stand in it. */
static void answer(const char *status, const char *more, const char *payload, uint32_t kind)
{
    static packets from_service;
    char topic[128] = "$dps/registrations/res/";
    size_t at = 0, end;
    while (memcmp(sent.bytes + at, "$rid=", 5) != 0)
        at++;
    for (end = at + 5; sent.bytes[end] != '&' && sent.bytes[end] != '{'; end++) {
    }
    strcat(strcat(topic, status), "/?");
    memcpy(topic + strlen(topic), sent.bytes + at, end - at);
    strcat(topic, more);
    from_service.len = 0;
    packets_publish(&from_service, 0x30, topic, 0, payload);
    expect(&from_service, kind);
}

/* Up to the registration on its way. */
static void begin(void)
{
    iothub_provisioning_config config;
    CHECK_EQ(iothub_provisioning_config_init(&config, sizeof config), IOTHUB_OK);
    config.id_scope = IOTHUB_STR("0ne00000001");
    config.registration_id = IOTHUB_STR("reg-001");
    config.payload = IOTHUB_BYTES_STR("{\"modelId\":\"dtmi:example;1\"}");
    CHECK_EQ(iothub_rx_init(&rx, sizeof rx, rx_memory, sizeof rx_memory), IOTHUB_OK);
    CHECK_EQ(iothub_provisioning_init(&client, sizeof client, &config, tx, sizeof tx, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_provisioning_state(&client), IOTHUB_STATE_OFFLINE);
    CHECK_EQ(iothub_provisioning_poll_timeout(&client), IOTHUB_NEVER);
    CHECK_EQ(iothub_provisioning_connect(&client, now, IOTHUB_STR("secret"), 7), IOTHUB_OK);
    collect();
    CHECK_EQ(sent.bytes[0], 0x10);
    CHECK(was_sent("0ne00000001/registrations/reg-001/api-version=2019-03-31") && was_sent("secret"));
    expect_bytes("\x20\x02\x00\x00", 4, IOTHUB_EVENT_CONNECTED);
    collect();
    CHECK(was_sent("$dps/registrations/res/#"));
    expect_bytes("\x90\x03\xff\xff\x01", 5, IOTHUB_EVENT_READY);
    collect();
    CHECK(was_sent("$dps/registrations/PUT/iotdps-register/?$rid="));
    CHECK(was_sent("{\"registrationId\":\"reg-001\"") && was_sent("dtmi:example;1"));
}

static void is_assigned(void)
{
    char names[384];
    iothub_str host_name, device_id;
    begin();
    CHECK_EQ(iothub_provisioning_timeout_reason(&client), IOTHUB_TIMEOUT_REQUEST);
    answer("202", "&retry-after=3", "{\"operationId\":\"4.op\",\"status\":\"assigning\"}", IOTHUB_EVENT_ASSIGNING);
    CHECK(event.u.assigning.retry_after_ms >= 3000 && event.u.assigning.http_status == 0);
    CHECK_EQ(iothub_provisioning_timeout_reason(&client), IOTHUB_TIMEOUT_POLL);
    CHECK_EQ(iothub_provisioning_poll_timeout(&client), now + event.u.assigning.retry_after_ms);
    now = iothub_provisioning_poll_timeout(&client);
    CHECK_EQ(iothub_provisioning_handle_timeout(&client, now), IOTHUB_OK);
    collect();
    CHECK(was_sent("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=") && was_sent("operationId=4.op"));

    answer("429", "&retry-after=5", "{\"errorCode\":429001}", IOTHUB_EVENT_THROTTLED);
    CHECK(event.u.assigning.http_status == 429 && event.u.assigning.code == 429001);
    CHECK(event.u.assigning.retry_after_ms >= 5000);
    now = iothub_provisioning_poll_timeout(&client);
    CHECK_EQ(iothub_provisioning_handle_timeout(&client, now), IOTHUB_OK);
    collect();

    answer("200", "",
           "{\"operationId\":\"4.op\",\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h.net\","
           "\"deviceId\":\"dev\\u00271\",\"substatus\":\"initialAssignment\",\"payload\":{\"a\":1}}}",
           IOTHUB_EVENT_ASSIGNED);
    CHECK_STR(event.u.assigned.host_name, "h.net");
    CHECK_STR(event.u.assigned.substatus, "initialAssignment");
    CHECK_STR(event.u.assigned.payload, "{\"a\":1}");
    CHECK_EQ(iothub_assigned_names(&event.u.assigned, names, 9, &host_name, &device_id), IOTHUB_ERR_BUFFER_TOO_SMALL);
    CHECK(host_name.ptr == NULL && device_id.ptr == NULL);
    CHECK_EQ(iothub_assigned_names(&event.u.assigned, names, sizeof names, &host_name, &device_id), IOTHUB_OK);
    CHECK_STR(host_name, "h.net");
    CHECK_STR(device_id, "dev'1");
    collect();
    CHECK_MEM(sent.bytes, sent.len, "\xe0\x00", 2);
    CHECK_EQ(poll_event(), IOTHUB_OK);
    CHECK_EQ(event.kind, IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(event.u.disconnected.reason, IOTHUB_DISCONNECT_REQUESTED);
    CHECK_EQ(iothub_provisioning_deinit(&client), IOTHUB_OK);
    CHECK_EQ(iothub_provisioning_state(&client), IOTHUB_ERR_NOT_INITIALIZED);
}

static void is_refused(void)
{
    begin();
    answer("401", "", "{\"errorCode\":401002,\"message\":\"no\"}", IOTHUB_EVENT_REFUSED);
    CHECK(event.u.refused.http_status == 401 && event.u.refused.code == 401002);
    CHECK_EQ(event.u.refused.error.status, IOTHUB_ERR_REGISTRATION_REFUSED);
    CHECK_STR(event.u.refused.payload, "{\"errorCode\":401002,\"message\":\"no\"}");
    CHECK_EQ(poll_event(), IOTHUB_OK);
    CHECK_EQ(event.kind, IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(event.u.disconnected.reason, IOTHUB_DISCONNECT_FAILED);
    CHECK_EQ(event.u.disconnected.error.status, IOTHUB_ERR_REGISTRATION_REFUSED);
    CHECK_EQ(poll_event(), IOTHUB_ERR_REGISTRATION_REFUSED);
    CHECK(iothub_status_is_fatal(IOTHUB_ERR_REGISTRATION_REFUSED));
    CHECK_EQ(iothub_provisioning_handle_timeout(&client, now), IOTHUB_ERR_REGISTRATION_REFUSED);
    CHECK_EQ(iothub_provisioning_deinit(&client), IOTHUB_OK);
}

static void is_never_assigned(void)
{
    size_t turns;
    begin();
    CHECK_EQ(iothub_provisioning_handle_eof(&client, now), IOTHUB_OK);
    CHECK_EQ(iothub_provisioning_has_event(&client), 1);
    CHECK_EQ(poll_event(), IOTHUB_OK);
    CHECK_EQ(event.u.disconnected.reason, IOTHUB_DISCONNECT_TRANSPORT_CLOSED);
    CHECK_EQ(iothub_provisioning_connect(&client, now, IOTHUB_STR("secret"), 7), IOTHUB_OK);
    collect();
    expect_bytes("\x20\x02\x00\x00", 4, IOTHUB_EVENT_CONNECTED);
    collect();
    expect_bytes("\x90\x03\xff\xff\x01", 5, IOTHUB_EVENT_READY);
    collect();
    /* Nothing is answered but pings. */
    for (turns = 0; turns < 1000; turns++) {
        now = iothub_provisioning_poll_timeout(&client);
        CHECK(now != IOTHUB_NEVER);
        if (iothub_provisioning_handle_timeout(&client, now) != IOTHUB_OK)
            break;
        collect();
        if (sent.len >= 2 && memcmp(sent.bytes + sent.len - 2, "\xc0\x00", 2) == 0)
            expect_bytes("\xd0\x00", 2, IOTHUB_EVENT_NONE);
    }
    CHECK_EQ(iothub_provisioning_handle_timeout(&client, now), IOTHUB_ERR_TIMED_OUT_REGISTRATION);
    CHECK_EQ(iothub_provisioning_disconnect(&client, now), IOTHUB_ERR_INVALID_STATE);
    CHECK_EQ(iothub_provisioning_deinit(&client), IOTHUB_OK);
}

int main(void)
{
    is_assigned();
    is_refused();
    is_never_assigned();
    return 0;
}
