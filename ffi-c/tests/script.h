/* A client driven by hand: what the hub sends is written out, and what must come of it. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "packets.h"

#define DEVICEBOUND "devices/dev1/messages/devicebound/"
#define EVENTS "devices/dev1/messages/events/"

IOTHUB_STORAGE_WITH(storage, 2048, 6, 2);
static iothub_client client;
static iothub_event event;
static packets hub, sent;
static uint64_t now = 5000;

/* The line of the script that a failed check in one of the following belongs to. */
#define AT (check_caller = __LINE__)

static inline void collect(void)
{
    packets_collect(&sent, &client, now);
}

static inline void expect_sent(const char *bytes, size_t len)
{
    collect();
    CHECK_MEM(sent.bytes, sent.len, bytes, len);
}
#define EXPECT_SENT(literal) AT, expect_sent("" literal, sizeof(literal) - 1)

static inline void expect_publish(uint8_t first, const char *topic, unsigned id, const char *payload)
{
    static packets wanted;
    wanted.len = 0;
    packets_publish(&wanted, first, topic, id, payload);
    expect_sent((const char *)wanted.bytes, wanted.len);
}

/* Feeds what stands in `hub`, which makes one event and is all consumed. */
static inline void expect_event(uint32_t kind)
{
    size_t consumed, needed;
    CHECK_EQ(iothub_client_handle_input(&client, now, hub.bytes, hub.len, &consumed, &needed, &event), IOTHUB_OK);
    CHECK_EQ(event.kind, kind);
    CHECK_EQ(consumed, hub.len);
    CHECK_EQ(needed, 0);
    hub.len = 0;
}

static inline void expect(const char *bytes, size_t len, uint32_t kind)
{
    packets_put(&hub, bytes, len);
    expect_event(kind);
}
#define EXPECT(literal, kind) AT, expect("" literal, sizeof(literal) - 1, kind)

static inline void expect_waiting(uint32_t kind)
{
    CHECK_EQ(iothub_client_has_event(&client), 1);
    expect_event(kind);
}

static inline void init(uint32_t features, const char *module_id)
{
    iothub_config config;
    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    config.host_name = IOTHUB_STR("h.net");
    config.device_id = IOTHUB_STR("dev1");
    config.module_id = iothub_str_from(module_id);
    config.product = IOTHUB_STR("p");
    config.features = features;
    config.max_packet = 256;
    config.connect_reserve = 400;
    CHECK_EQ(iothub_client_init(&client, sizeof client, &config, &storage, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_client_state(&client), IOTHUB_STATE_OFFLINE);
    CHECK_EQ(iothub_client_poll_timeout(&client), IOTHUB_NEVER);
}

static inline void sign_in(void)
{
    static const iothub_connect plain = IOTHUB_CONNECT_INIT;
    CHECK_EQ(iothub_client_connect(&client, now, &plain), IOTHUB_OK);
    CHECK_EQ(iothub_client_state(&client), IOTHUB_STATE_CONNECTING);
    collect();
    CHECK_EQ(iothub_client_timeout_reason(&client), IOTHUB_TIMEOUT_CONNACK);
    CHECK_EQ(iothub_client_poll_timeout(&client), now + 30000);
}

#endif
