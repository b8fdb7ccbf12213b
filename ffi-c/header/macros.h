/** The version of this header; iothub_version() is that of the library. */
#define IOTHUB_VERSION_MAJOR @MAJOR@
#define IOTHUB_VERSION_MINOR @MINOR@
#define IOTHUB_VERSION_PATCH @PATCH@
#define IOTHUB_VERSION ((IOTHUB_VERSION_MAJOR << 16) | (IOTHUB_VERSION_MINOR << 8) | IOTHUB_VERSION_PATCH)
#define IOTHUB_VERSION_STRING "@MAJOR@.@MINOR@.@PATCH@"

#if UINTPTR_MAX > 0xffffffffu
#define IOTHUB_POINTER_64
#else
#define IOTHUB_POINTER_32
#endif

/** sizeof(iothub_client). */
#define IOTHUB_CLIENT_SIZE (8 * IOTHUB_CLIENT_WORDS)

/** An iothub_str of a literal, to initialise static memory with, and as an expression. */
#define IOTHUB_STR_INIT(literal) { "" literal, sizeof(literal) - 1 }
#ifdef __cplusplus
#define IOTHUB_STR(literal) (iothub_str IOTHUB_STR_INIT(literal))
#else
#define IOTHUB_STR(literal) ((iothub_str)IOTHUB_STR_INIT(literal))
#endif

/** An iothub_bytes of a pointer and a length, and of a literal. */
#ifdef __cplusplus
#define IOTHUB_BYTES(pointer, length) (iothub_bytes{ (const uint8_t *)(pointer), (length) })
#else
#define IOTHUB_BYTES(pointer, length) ((iothub_bytes){ (const uint8_t *)(pointer), (length) })
#endif
#define IOTHUB_BYTES_STR(literal) IOTHUB_BYTES("" literal, sizeof(literal) - 1)

/** What input structs are initialised with. */
#define IOTHUB_TELEMETRY_INIT { (uint32_t)sizeof(iothub_telemetry), IOTHUB_QOS_1, { NULL, 0 }, NULL, 0, NULL }
#define IOTHUB_CONNECT_INIT { (uint32_t)sizeof(iothub_connect), 0, { NULL, 0 }, NULL, 0, 0 }
#define IOTHUB_UPGRADE_INIT { (uint32_t)sizeof(iothub_upgrade), 30000, { NULL, 0 }, { NULL, 0 }, 0, { 0 }, { 0 } }
#define IOTHUB_RESOURCE_INIT(kind) { (uint32_t)sizeof(iothub_resource), (kind), { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }
#define IOTHUB_SYSTEM_PROPERTIES_INIT                                                                                    \
  { (uint32_t)sizeof(iothub_system_properties), { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 },         \
    { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 },              \
    { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/**
 * Static memory for one client, and `name`, an iothub_storage of it: tx_bytes for packets, slot_count commands in flight,
 * and 64 messages delivered and not acknowledged, of which the hub queues at most 50. IOTHUB_STORAGE_WITH takes that
 * number, too; each is 4 bytes.
 */
#define IOTHUB_STORAGE(name, tx_bytes, slot_count) IOTHUB_STORAGE_WITH(name, tx_bytes, slot_count, 64)
#define IOTHUB_STORAGE_WITH(name, tx_bytes, slot_count, inbound_count)                                                   \
  static uint8_t name##_tx[tx_bytes];                                                                                    \
  static iothub_slot name##_slots[slot_count];                                                                           \
  static iothub_inbound name##_inbound[inbound_count];                                                                   \
  static const iothub_storage name = { (uint32_t)sizeof(iothub_storage),                                                 \
                                       name##_tx, sizeof(name##_tx), name##_slots, (slot_count),                         \
                                       name##_inbound, (inbound_count) }
