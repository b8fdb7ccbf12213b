/* The layout of the interface: sizes on 64 and 32 bits, and macros in static memory. */
#include "check.h"

/* Where 64 bits are aligned to 64 bits, as on ARM, a struct that has such a field is a multiple of that. */
struct wide {
    char first;
    uint64_t wide;
};
#define WIDE(size) (((size) + offsetof(struct wide, wide) - 1) / offsetof(struct wide, wide) * offsetof(struct wide, wide))

#ifdef IOTHUB_POINTER_64
#define SIZE(type, on_64, on_32) typedef char size_of_##type[sizeof(type) == (on_64) ? 1 : -1]
#else
#define SIZE(type, on_64, on_32) typedef char size_of_##type[sizeof(type) == (on_32) ? 1 : -1]
#endif

SIZE(iothub_backoff, 68, 68);
SIZE(iothub_bytes, 16, 8);
SIZE(iothub_client, 8 * IOTHUB_CLIENT_WORDS, 8 * IOTHUB_CLIENT_WORDS);
SIZE(iothub_config, 160, 112);
SIZE(iothub_connect, 40, 28);
SIZE(iothub_connection_string, 120, 60);
SIZE(iothub_desired_iter, 144, 144);
SIZE(iothub_desired_property, 48, 24);
SIZE(iothub_error, 20, 20);
SIZE(iothub_event, 104, WIDE(56));
SIZE(iothub_event_acked, 4, 4);
SIZE(iothub_event_assigned, 64, 32);
SIZE(iothub_event_assigning, 12, 12);
SIZE(iothub_event_connected, 1, 1);
SIZE(iothub_event_disconnected, 40, 40);
SIZE(iothub_event_message, 56, 32);
SIZE(iothub_event_method_call, 56, 28);
SIZE(iothub_event_part_wanted, 12, 12);
SIZE(iothub_event_refused, 48, 36);
SIZE(iothub_event_request_failed, 40, WIDE(32));
SIZE(iothub_event_skipped, 56, 32);
SIZE(iothub_event_stream_begin, 72, 44);
SIZE(iothub_event_stream_end, 24, WIDE(20));
SIZE(iothub_event_stream_piece, 24, 12);
SIZE(iothub_event_subscribed, 8, 8);
SIZE(iothub_event_twin_desired, 32, WIDE(20));
SIZE(iothub_event_twin_document, 32, WIDE(24));
SIZE(iothub_event_twin_reported, 16, WIDE(12));
SIZE(iothub_event_union, 96, WIDE(48));
SIZE(iothub_event_unknown, 40, 20);
SIZE(iothub_inbound, 4, 4);
SIZE(iothub_json_reader, 96, 96);
SIZE(iothub_kept_request, 52, 52);
SIZE(iothub_key, 72, WIDE(72));
SIZE(iothub_patch, 64, 32);
SIZE(iothub_pending, 16, 16);
SIZE(iothub_property, 32, 16);
SIZE(iothub_property_iter, 24, 12);
SIZE(iothub_provisioning, 8 * IOTHUB_PROVISIONING_WORDS, 8 * IOTHUB_PROVISIONING_WORDS);
SIZE(iothub_provisioning_config, 112, 68);
SIZE(iothub_received_property, 40, 20);
SIZE(iothub_request, 24, 12);
SIZE(iothub_resource, 56, 32);
SIZE(iothub_retry, 8, 8);
SIZE(iothub_retry_policy, 60, 60);
SIZE(iothub_rx, 48, 24);
SIZE(iothub_schedule, 12, 12);
SIZE(iothub_slot, 40, WIDE(40));
SIZE(iothub_storage, 56, 28);
SIZE(iothub_str, 16, 8);
SIZE(iothub_system_properties, 296, 148);
SIZE(iothub_telemetry, 48, 28);
SIZE(iothub_upgrade, 80, 64);
SIZE(iothub_websocket, 8 * IOTHUB_WEBSOCKET_WORDS, 8 * IOTHUB_WEBSOCKET_WORDS);

IOTHUB_STORAGE(usual, 512, 4);
IOTHUB_STORAGE_WITH(small, 256, 2, 1);
static const iothub_str text = IOTHUB_STR_INIT("caf\xc3\xa9");
static iothub_client client;

int main(void)
{
    iothub_telemetry telemetry = IOTHUB_TELEMETRY_INIT;
    iothub_connect options = IOTHUB_CONNECT_INIT;
    iothub_resource resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_MODULE);
    iothub_system_properties system = IOTHUB_SYSTEM_PROPERTIES_INIT;
    iothub_bytes bytes = IOTHUB_BYTES_STR("a\0b");
    iothub_config config;
    iothub_retry_policy policy;
    iothub_str none = iothub_str_from(NULL);

    CHECK_EQ(IOTHUB_CLIENT_SIZE, sizeof client);
    CHECK_EQ(iothub_client_size(), sizeof client);
    CHECK_EQ((uintptr_t)&client % iothub_client_align(), 0);
    CHECK_EQ(iothub_version(), IOTHUB_VERSION);
    CHECK_STR(iothub_str_from(iothub_version_str()), IOTHUB_VERSION_STRING);

    CHECK_EQ(usual.struct_size, sizeof usual);
    CHECK(usual.tx_len == 512 && usual.slots_len == 4 && usual.inbound_len == 64);
    CHECK(small.tx_len == 256 && small.slots_len == 2 && small.inbound_len == 1);
    CHECK_STR(text, "caf\xc3\xa9");
    CHECK_STR(iothub_str_from("dev1"), "dev1");
    CHECK(none.ptr == NULL && none.len == 0);
    CHECK_MEM(bytes.ptr, bytes.len, "a\0b", 3);
    CHECK_EQ(telemetry.struct_size, sizeof telemetry);
    CHECK_EQ(telemetry.qos, 1);
    CHECK_EQ(options.struct_size, sizeof options);
    CHECK(resource.struct_size == sizeof resource && resource.kind == IOTHUB_RESOURCE_MODULE);
    CHECK(system.struct_size == sizeof system && system.operation.ptr == NULL && system.message_id.len == 0);

    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    CHECK_EQ(config.struct_size, sizeof config);
    CHECK(config.keep_alive == 240 && config.send_window == 65535 && config.twin_sync == 1 && config.max_packet == 4096);
    CHECK(config.packet_limit == 1u << 20 && config.puback_timeout_ms == 120000 && config.close_timeout_ms == 2000);
    CHECK(config.host_name.ptr == NULL && config.features == IOTHUB_FEATURE_ALL);
    CHECK_EQ(iothub_retry_policy_init(&policy, sizeof policy), IOTHUB_OK);
    CHECK(policy.struct_size == sizeof policy && policy.reprovision_after == 10 && policy.stable_after_ms == 60000);
    CHECK(policy.rejected.min_ms == 60000 && policy.rejected.first_ms == 600000 && policy.rejected.max_ms == 3600000);

    CHECK_EQ(strcmp(iothub_status_str(IOTHUB_ERR_TX_FULL), "no room now: settle something in flight first"), 0);
    CHECK_EQ(strcmp(iothub_status_str(12345), "a status of another version"), 0);
    CHECK(!iothub_status_is_fatal(IOTHUB_OK) && !iothub_status_is_fatal(IOTHUB_ERR_CAPACITY));
    CHECK(iothub_status_is_fatal(IOTHUB_ERR_PEER_FORBIDDEN_TYPE) && iothub_status_is_fatal(IOTHUB_ERR_INTERNAL));
    return 0;
}
