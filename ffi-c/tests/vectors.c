/* The vectors that all languages share, through C. vectors.py makes the tables. */
#include "packets.h"

#define MAX_PAIRS 20
#define SYSTEM_PROPERTIES 18


typedef struct identity {
    iothub_str host_name, device_id, module_id, api_version, product, model_id;
} identity;

typedef struct good_string {
    iothub_str text, host_name, device_id, module_id, connect_host;
    uint32_t credential;
    iothub_str key, key_name, token;
    size_t unknown_len;
    iothub_property unknown[MAX_PAIRS];
} good_string;

typedef struct bad_string {
    iothub_str text;
    iothub_status status;
    uint32_t subject, offset;
} bad_string;

typedef struct good_identity {
    identity who;
    iothub_str client_id, user_name, resource_uri;
} good_identity;

typedef struct bad_identity {
    identity who;
    uint32_t field, offset;
} bad_identity;

typedef struct sas_token {
    iothub_str key;
    uint32_t kind;
    iothub_str host, id, module_id;
    uint32_t expiry;
    iothub_str key_name, string_to_sign, signature, token;
} sas_token;

typedef struct sas_signature {
    iothub_str key, message, signature;
} sas_signature;

typedef struct derived_key {
    iothub_str group_key, registration_id, device_key;
} derived_key;

typedef struct bad_key {
    iothub_str key;
    iothub_status status;
    uint32_t offset, len;
} bad_key;

typedef struct received_topic {
    iothub_str device, module, topic;
    iothub_status status;
    uint32_t kind;
    iothub_str bag, name, request_id;
    uint64_t version;
} received_topic;

typedef struct filters {
    iothub_str device, module;
    size_t len;
    iothub_property at[MAX_PAIRS];
} filters;

typedef struct sent_topic {
    iothub_str device, module;
    iothub_str system[SYSTEM_PROPERTIES];
    size_t application_len;
    iothub_property application[MAX_PAIRS];
    iothub_str topic;
    size_t counted;
} sent_topic;

typedef struct method_answer {
    uint32_t status;
    iothub_str request_id, topic;
} method_answer;

typedef struct received_bag {
    iothub_str bag;
    size_t pairs_len;
    iothub_property pairs[MAX_PAIRS];
    iothub_str system[SYSTEM_PROPERTIES];
    size_t application_len;
    iothub_property application[MAX_PAIRS];
} received_bag;

typedef struct encoding {
    iothub_str text, encoded;
} encoding;

typedef struct refused_bag {
    size_t len;
    iothub_property at[MAX_PAIRS];
} refused_bag;

#include "vectors_table.h"

#define EACH(of, at) for (at = of; AT(at - of), at < of + sizeof of / sizeof *of; at++)
#define AT(index) (check_caller = (int)(index))

static uint8_t tx[300000], body[1 << 18];
static iothub_slot slots[4];
static iothub_inbound inbound[4];
static iothub_client client;
static packets hub;

static iothub_status init(const identity *who, uint32_t features, iothub_error *error)
{
    iothub_config config;
    iothub_storage storage = { (uint32_t)sizeof storage, tx, sizeof tx, slots, 4, inbound, 4 };
    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    config.host_name = who->host_name;
    config.device_id = who->device_id;
    config.module_id = who->module_id;
    config.api_version = who->api_version;
    config.product = who->product;
    config.model_id = who->model_id;
    config.features = features;
    config.twin_sync = 0;
    return iothub_client_init(&client, sizeof client, &config, &storage, error);
}

/* A copy of the next packet to send, until the one after it. */
static iothub_bytes next_packet(void)
{
    static uint8_t copy[sizeof tx];
    const uint8_t *lent;
    int32_t len = iothub_client_poll_transmit(&client, &lent);
    CHECK(len > 0);
    memcpy(copy, lent, (size_t)len);
    CHECK_EQ(iothub_client_confirm_transmit(&client, 0, (size_t)len), IOTHUB_OK);
    return IOTHUB_BYTES(copy, (size_t)len);
}

/* The text with its length before it that stands in a packet at `*at`. */
static iothub_str text_in(iothub_bytes packet, size_t *at)
{
    iothub_str text;
    CHECK(*at + 2 <= packet.len);
    text.len = (size_t)packet.ptr[*at] << 8 | packet.ptr[*at + 1];
    text.ptr = (const char *)packet.ptr + *at + 2;
    *at += 2 + text.len;
    CHECK(*at <= packet.len);
    return text;
}

static size_t header_len(iothub_bytes packet)
{
    size_t at = 1;
    while (packet.ptr[at++] >= 0x80) {
    }
    return at;
}

static void feed(const char *bytes, size_t len, uint32_t kind)
{
    iothub_event event;
    size_t consumed;
    CHECK_EQ(iothub_client_handle_input(&client, 0, (const uint8_t *)bytes, len, &consumed, NULL, &event), IOTHUB_OK);
    CHECK_EQ(event.kind, kind);
}

/* A client of a device or module that is connected. */
static void connect_as(iothub_str device, iothub_str module, uint32_t features)
{
    iothub_connect options = IOTHUB_CONNECT_INIT;
    identity who = { IOTHUB_STR_INIT("h"), device, module, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
    CHECK_EQ(init(&who, features, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_client_connect(&client, 0, &options), IOTHUB_OK);
    next_packet();
    feed("\x20\x02\x00\x00", 4, IOTHUB_EVENT_CONNECTED);
}

#define SAME(got, wanted) CHECK_MEM((got).ptr, (got).len, (wanted).ptr, (wanted).len)
#define SAME_OPTIONAL(got, wanted) (CHECK_EQ((got).ptr == NULL, (wanted).ptr == NULL), SAME(got, wanted))

static void runs_connection_strings(void)
{
    const good_string *good;
    const bad_string *bad;
    iothub_connection_string parsed;
    iothub_error error;
    iothub_str key;
    size_t index;
    EACH (good_strings, good) {
        CHECK_EQ(iothub_connection_string_parse(good->text, &parsed, NULL), IOTHUB_OK);
        SAME(parsed.host_name, good->host_name);
        SAME(parsed.device_id, good->device_id);
        SAME_OPTIONAL(parsed.module_id, good->module_id);
        SAME(parsed.connect_host, good->connect_host);
        CHECK_EQ(parsed.credential, good->credential);
        SAME_OPTIONAL(parsed.key, good->key);
        SAME_OPTIONAL(parsed.key_name, good->key_name);
        SAME_OPTIONAL(parsed.token, good->token);
        for (index = 0; index < good->unknown_len; index++) {
            CHECK_EQ(iothub_connection_string_unknown_key(good->text, index, &key), 1);
            SAME(key, good->unknown[index].name);
        }
        CHECK_EQ(iothub_connection_string_unknown_key(good->text, index, &key), 0);
    }
    EACH (bad_strings, bad) {
        CHECK_EQ(iothub_connection_string_parse(bad->text, &parsed, &error), bad->status);
        CHECK_EQ(error.status, bad->status);
        CHECK_EQ(error.subject, bad->subject);
        CHECK_EQ(error.offset, bad->offset);
        CHECK(parsed.host_name.ptr == NULL && parsed.key.ptr == NULL && parsed.credential == 0);
        CHECK_EQ(iothub_connection_string_unknown_key(bad->text, 0, &key), bad->status);
    }
}

static void runs_identities(void)
{
    const good_identity *good;
    const bad_identity *bad;
    iothub_connect options = IOTHUB_CONNECT_INIT;
    iothub_resource resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_DEVICE);
    iothub_error error;
    char text[16384];
    size_t at, len;
    EACH (good_identities, good) {
        iothub_bytes packet;
        iothub_str found;
        CHECK_EQ(init(&good->who, IOTHUB_FEATURE_ALL, NULL), IOTHUB_OK);
        CHECK_EQ(iothub_client_connect(&client, 0, &options), IOTHUB_OK);
        packet = next_packet();
        at = header_len(packet) + 10;
        found = text_in(packet, &at);
        SAME(found, good->client_id);
        found = text_in(packet, &at);
        SAME(found, good->user_name);
        CHECK_EQ(at, packet.len);
        resource.kind = good->who.module_id.ptr != NULL ? IOTHUB_RESOURCE_MODULE : IOTHUB_RESOURCE_DEVICE;
        resource.host = good->who.host_name;
        resource.id = good->who.device_id;
        resource.module_id = good->who.module_id;
        CHECK_EQ(iothub_sas_string_to_sign(&resource, 7, text, sizeof text, &len), IOTHUB_OK);
        CHECK_MEM(text, len - 2, good->resource_uri.ptr, good->resource_uri.len);
        CHECK_MEM(text + len - 2, 2, "\n7", 2);
    }
    EACH (bad_identities, bad) {
        CHECK_EQ(init(&bad->who, IOTHUB_FEATURE_ALL, &error), IOTHUB_ERR_BAD_TEXT);
        CHECK_EQ(error.status, IOTHUB_ERR_BAD_TEXT);
        CHECK_EQ(error.subject, bad->field);
        CHECK_EQ(error.offset, bad->offset);
    }
}

static void runs_sas(void)
{
    const sas_token *token;
    const sas_signature *signed_text;
    const derived_key *derived;
    const bad_key *bad;
    iothub_key key, device;
    iothub_error error;
    uint8_t signature[32];
    char text[1024];
    size_t len;
    uint32_t capacity;
    EACH (sas_tokens, token) {
        iothub_resource resource = IOTHUB_RESOURCE_INIT(token->kind);
        resource.host = token->host;
        resource.id = token->id;
        resource.module_id = token->module_id;
        CHECK_EQ(iothub_key_init(&key, sizeof key, token->key, &error), IOTHUB_OK);
        CHECK_EQ(error.status, IOTHUB_OK);
        CHECK_EQ(iothub_sas_string_to_sign(&resource, token->expiry, text, sizeof text, &len), IOTHUB_OK);
        CHECK_MEM(text, len, token->string_to_sign.ptr, token->string_to_sign.len);
        CHECK_EQ(iothub_key_sign(&key, IOTHUB_BYTES(text, len), signature), IOTHUB_OK);
        CHECK_MEM(signature, 32, token->signature.ptr, token->signature.len);
        CHECK_EQ(iothub_sas_token(&resource, signature, token->expiry, token->key_name, text, sizeof text, &len),
                 IOTHUB_OK);
        CHECK_MEM(text, len, token->token.ptr, token->token.len);
        CHECK_EQ(iothub_sas_token_capacity(&resource, token->key_name, &capacity), IOTHUB_OK);
        CHECK(capacity >= len && capacity <= sizeof text);
        memset(text, 0, sizeof text);
        CHECK_EQ(iothub_key_token(&key, &resource, token->expiry, token->key_name, text, capacity, &len), IOTHUB_OK);
        CHECK_MEM(text, len, token->token.ptr, token->token.len);
        CHECK_EQ(iothub_key_token(&key, &resource, token->expiry, token->key_name, text, len - 1, &len),
                 IOTHUB_ERR_BUFFER_TOO_SMALL);
        CHECK_EQ(len, capacity);
        CHECK_EQ(iothub_key_deinit(&key), IOTHUB_OK);
    }
    EACH (sas_signatures, signed_text) {
        CHECK_EQ(iothub_key_init(&key, sizeof key, signed_text->key, NULL), IOTHUB_OK);
        CHECK_EQ(iothub_key_sign(&key, IOTHUB_BYTES(signed_text->message.ptr, signed_text->message.len), signature),
                 IOTHUB_OK);
        CHECK_MEM(signature, 32, signed_text->signature.ptr, signed_text->signature.len);
    }
    EACH (derived_keys, derived) {
        uint8_t again[32];
        iothub_key same;
        CHECK_EQ(iothub_key_init(&key, sizeof key, derived->group_key, NULL), IOTHUB_OK);
        CHECK_EQ(iothub_key_derive_base64(&key, derived->registration_id, text, IOTHUB_DERIVED_KEY_LEN, &len), IOTHUB_OK);
        CHECK_MEM(text, len, derived->device_key.ptr, derived->device_key.len);
        CHECK_EQ(iothub_key_derive(&device, sizeof device, &key, derived->registration_id), IOTHUB_OK);
        CHECK_EQ(iothub_key_init(&same, sizeof same, derived->device_key, NULL), IOTHUB_OK);
        CHECK_EQ(iothub_key_sign(&device, IOTHUB_BYTES_STR("x"), signature), IOTHUB_OK);
        CHECK_EQ(iothub_key_sign(&same, IOTHUB_BYTES_STR("x"), again), IOTHUB_OK);
        CHECK_MEM(signature, 32, again, 32);
    }
    EACH (bad_keys, bad) {
        CHECK_EQ(iothub_key_init(&key, sizeof key, bad->key, &error), bad->status);
        CHECK_EQ(error.status, bad->status);
        CHECK_EQ(error.offset, bad->offset);
        CHECK_EQ(error.needed, bad->len);
        CHECK_EQ(iothub_key_sign(&key, IOTHUB_BYTES_STR("x"), signature), IOTHUB_ERR_NOT_INITIALIZED);
    }
}

/* Whether any eight bytes of the secret stand in the key's memory. */
static bool holds(const iothub_key *key, const char *secret, size_t len)
{
    size_t at, part;
    for (at = 0; at + 8 <= sizeof *key; at++)
        for (part = 0; part + 8 <= len; part++)
            if (memcmp((const char *)key + at, secret + part, 8) == 0)
                return true;
    return false;
}

static void forgets_keys(void)
{
    static const char secret[] = "the key of a device, 32 bytes...";
    iothub_key key;
    memset(&key, 0, sizeof key);
    CHECK_EQ(iothub_key_init_bytes(&key, sizeof key, IOTHUB_BYTES(secret, sizeof secret - 1), NULL), IOTHUB_OK);
    CHECK(holds(&key, secret, sizeof secret - 1));
    CHECK_EQ(iothub_key_deinit(&key), IOTHUB_OK);
    CHECK(!holds(&key, secret, sizeof secret - 1));
}

static void runs_topics(void)
{
    const received_topic *received;
    const filters *wanted;
    const method_answer *answer;
    iothub_event event;
    size_t consumed, index, at;
    uint32_t strays;
    EACH (received_topics, received) {
        connect_as(received->device, received->module, 0);
        feed("", 0, IOTHUB_EVENT_READY);
        hub.len = 0;
        packets_publish_n(&hub, 0x30, received->topic.ptr, received->topic.len, 0, "0", 1);
        CHECK_EQ(iothub_client_handle_input(&client, 0, hub.bytes, hub.len, &consumed, NULL, &event), IOTHUB_OK);
        if (received->status != IOTHUB_OK) {
            CHECK_EQ(event.u.disconnected.error.status, received->status);
            continue;
        }
        CHECK_EQ(event.kind, received->kind);
        switch (event.kind) {
        case IOTHUB_EVENT_MESSAGE:
            SAME(event.u.message.properties, received->bag);
            SAME_OPTIONAL(event.u.message.input, received->name);
            break;
        case IOTHUB_EVENT_METHOD_CALL:
            SAME(event.u.method_call.name, received->name);
            SAME(event.u.method_call.request.id, received->request_id);
            break;
        case IOTHUB_EVENT_TWIN_DESIRED:
            CHECK(event.u.twin_desired.version == received->version);
            break;
        case IOTHUB_EVENT_UNKNOWN:
            SAME(event.u.unknown.topic, received->topic);
            break;
        default: /* the answer to a request that this client did not make */
            CHECK_EQ(iothub_client_strays(&client, &strays), IOTHUB_OK);
            CHECK_EQ(strays, 1);
        }
    }
    EACH (all_filters, wanted) {
        iothub_bytes packet;
        connect_as(wanted->device, wanted->module, IOTHUB_FEATURE_ALL);
        packet = next_packet();
        at = header_len(packet) + 2;
        for (index = 0; index < wanted->len; index++) {
            iothub_str filter = text_in(packet, &at);
            SAME(filter, wanted->at[index].name);
            CHECK_EQ(packet.ptr[at++], wanted->at[index].value.ptr[0]);
        }
        CHECK_EQ(at, packet.len);
    }
    EACH (method_answers, answer) {
        iothub_request request;
        iothub_bytes packet;
        iothub_str topic;
        connect_as(IOTHUB_STR("d1"), iothub_str_from(NULL), 0);
        request.id = answer->request_id;
        request.connection = 1;
        CHECK_EQ(iothub_client_method_respond(&client, 0, &request, answer->status, IOTHUB_BYTES(NULL, 0)), IOTHUB_OK);
        packet = next_packet();
        at = header_len(packet);
        topic = text_in(packet, &at);
        SAME(topic, answer->topic);
    }
}

static void sends(const sent_topic *sent)
{
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_system_properties system = IOTHUB_SYSTEM_PROPERTIES_INIT;
    iothub_error error;
    iothub_bytes packet;
    iothub_str topic;
    size_t at;
    connect_as(sent->device, sent->module, 0);
    feed("", 0, IOTHUB_EVENT_READY);
    memcpy(&system.message_id, sent->system, sizeof sent->system);
    message.qos = IOTHUB_QOS_0;
    message.system = &system;
    message.properties = sent->application;
    message.properties_len = sent->application_len;
    /* As much as the hub takes, and a byte more. */
    message.payload = IOTHUB_BYTES(body, sizeof body - sent->counted);
    CHECK_EQ(iothub_client_send_telemetry(&client, 0, &message, NULL), IOTHUB_OK);
    packet = next_packet();
    at = header_len(packet);
    topic = text_in(packet, &at);
    SAME(topic, sent->topic);
    message.payload.len++;
    if (message.payload.len <= sizeof body) {
        CHECK_EQ(iothub_client_send_telemetry(&client, 0, &message, NULL), IOTHUB_ERR_MESSAGE_TOO_LARGE);
        CHECK_EQ(iothub_client_last_error(&client, &error), IOTHUB_OK);
        CHECK(error.needed == sizeof body + 1 && error.available == sizeof body);
    }
}

static void is_decoded(iothub_str encoded, iothub_str wanted)
{
    char text[1024];
    size_t len;
    iothub_status status = iothub_text_decode(encoded, text, sizeof text, &len);
    CHECK(status == IOTHUB_OK || status == IOTHUB_ERR_NOT_UTF8);
    CHECK_MEM(text, len, wanted.ptr, wanted.len);
    if (status == IOTHUB_OK)
        CHECK_EQ(iothub_text_equals(encoded, wanted), 1);
}

static void runs_properties(void)
{
    const received_bag *received;
    const sent_topic *sent;
    const encoding *text;
    const refused_bag *refused;
    iothub_property_iter iter;
    iothub_received_property property;
    iothub_str value;
    size_t index, application;
    uint32_t system;
    EACH (received_bags, received) {
        CHECK_EQ(iothub_properties_iter(received->bag, &iter), IOTHUB_OK);
        for (index = application = 0; index < received->pairs_len; index++) {
            const iothub_property *wanted = &received->pairs[index];
            CHECK_EQ(iothub_properties_next(&iter, &property), 1);
            is_decoded(property.name, wanted->name);
            CHECK_EQ(property.value.ptr == NULL, wanted->value.ptr == NULL);
            is_decoded(property.value, wanted->value);
            if (property.system == IOTHUB_SYSTEM_NONE) {
                CHECK(application < received->application_len);
                SAME(received->application[application].name, wanted->name);
                application++;
            }
        }
        CHECK_EQ(iothub_properties_next(&iter, &property), 0);
        CHECK_EQ(iothub_properties_next(&iter, &property), 0);
        CHECK_EQ(application, received->application_len);
        for (system = 1; system <= SYSTEM_PROPERTIES; system++) {
            iothub_str wanted = received->system[system - 1];
            CHECK_EQ(iothub_properties_system(received->bag, system, &value), wanted.ptr != NULL);
            is_decoded(value, wanted);
        }
    }
    EACH (sent_topics, sent)
        sends(sent);
    EACH (sent_bags, sent)
        sends(sent);
    EACH (encodings, text)
        is_decoded(text->encoded, text->text);
    EACH (refused_bags, refused) {
        iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
        iothub_error error;
        connect_as(IOTHUB_STR("d1"), iothub_str_from(NULL), 0);
        message.properties = refused->at;
        message.properties_len = refused->len;
        CHECK_EQ(iothub_client_send_telemetry(&client, 0, &message, NULL), IOTHUB_ERR_BAD_TEXT);
        CHECK_EQ(iothub_client_last_error(&client, &error), IOTHUB_OK);
        CHECK(error.status == IOTHUB_ERR_BAD_TEXT && error.subject == IOTHUB_FIELD_PROPERTY_NAME);
    }
}

int main(void)
{
    runs_connection_strings();
    runs_identities();
    runs_sas();
    forgets_keys();
    runs_topics();
    runs_properties();
    return 0;
}
