/* Values of JSON and IoT Plug and Play: what a firmware does with a twin, whole and in pieces. */
#include "check.h"

#define DOCUMENT                                                                                                         \
    "{\"desired\":{\"interval\":5,\"f\\u0061n\":{\"__t\":\"c\",\"speed\":3,\"mode\":\"eco \\\"1\\\"\"},"                 \
    "\"pump\":{\"on\":true},\"colour\":{\"r\":1},\"$version\":18446744073709551615},"                                    \
    "\"reported\":{\"interval\":60,\"$version\":4}}"

static const iothub_str VERSION_PATH[] = { IOTHUB_STR_INIT("desired"), IOTHUB_STR_INIT("$version") };
static const iothub_str MODE_PATH[] = { IOTHUB_STR_INIT("desired"), IOTHUB_STR_INIT("fan"), IOTHUB_STR_INIT("mode") };
static const iothub_str NOWHERE[] = { IOTHUB_STR_INIT("desired"), IOTHUB_STR_INIT("heater") };
static const iothub_str COMPONENTS[] = { IOTHUB_STR_INIT("pump"), IOTHUB_STR_INIT("heater") };

static iothub_bytes bytes_of(const char *text)
{
    return IOTHUB_BYTES(text, strlen(text));
}

static void test_find(void)
{
    iothub_bytes value;
    uint64_t number;
    char text[16];
    size_t len;

    CHECK_EQ(iothub_json_find(IOTHUB_BYTES_STR(DOCUMENT), VERSION_PATH, 2, &value), 1);
    CHECK_EQ(iothub_json_number(value, &number), 1);
    CHECK(number == UINT64_MAX);
    CHECK_EQ(iothub_json_text(value, text, sizeof text, &len), 0);

    CHECK_EQ(iothub_json_find(IOTHUB_BYTES_STR(DOCUMENT), MODE_PATH, 3, &value), 1);
    CHECK_STR(value, "\"eco \\\"1\\\"\"");
    CHECK_EQ(iothub_json_number(value, &number), 0);
    CHECK_EQ(number, 0);
    CHECK_EQ(iothub_json_text(value, text, 6, &len), IOTHUB_ERR_BUFFER_TOO_SMALL);
    CHECK_EQ(len, 7);
    CHECK_EQ(iothub_json_text(value, text, 7, &len), 1);
    CHECK_MEM(text, len, "eco \"1\"", 7);

    CHECK_EQ(iothub_json_find(IOTHUB_BYTES_STR(DOCUMENT), NOWHERE, 2, &value), 0);
    CHECK(value.ptr == NULL);
    CHECK_EQ(iothub_json_find(IOTHUB_BYTES_STR(" [1] "), NULL, 0, &value), 1);
    CHECK_STR(value, "[1]");
    CHECK_EQ(iothub_json_find(IOTHUB_BYTES_STR("{\"desired\":{"), VERSION_PATH, 2, &value), IOTHUB_ERR_BAD_JSON);
}

/* The whole document in pieces of every size. */
static void test_reader(void)
{
    iothub_json_reader reader;
    uint8_t memory[32];
    iothub_bytes value;
    uint64_t number;
    size_t size, at;

    for (size = 1; size <= sizeof DOCUMENT; size++) {
        CHECK_EQ(iothub_json_reader_init(&reader, sizeof reader, VERSION_PATH, 2, memory, 20), IOTHUB_OK);
        for (at = 0; at < sizeof DOCUMENT - 1; at += size) {
            size_t left = sizeof DOCUMENT - 1 - at;
            CHECK_EQ(iothub_json_reader_value(&reader, &value), IOTHUB_ERR_BAD_JSON);
            CHECK_EQ(iothub_json_reader_feed(&reader, IOTHUB_BYTES(DOCUMENT + at, left < size ? left : size)), IOTHUB_OK);
        }
        CHECK_EQ(iothub_json_reader_value(&reader, &value), 1);
        CHECK(value.ptr == memory);
        CHECK_EQ(iothub_json_number(value, &number), 1);
        CHECK(number == UINT64_MAX);
    }
    CHECK_EQ(iothub_json_reader_init(&reader, sizeof reader, VERSION_PATH, 2, memory, 19), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_feed(&reader, IOTHUB_BYTES_STR(DOCUMENT)), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_value(&reader, &value), IOTHUB_ERR_BUFFER_TOO_SMALL);
    /* A patch has the version at its top. */
    CHECK_EQ(iothub_json_reader_init(&reader, sizeof reader, VERSION_PATH + 1, 1, memory, sizeof memory), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_feed(&reader, IOTHUB_BYTES_STR("{\"a\":{\"$version\":1},\"$version\":7}")), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_value(&reader, &value), 1);
    CHECK_STR(value, "7");
    CHECK_EQ(iothub_json_reader_init(&reader, sizeof reader, NOWHERE, 2, memory, sizeof memory), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_feed(&reader, IOTHUB_BYTES_STR("{} x")), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_value(&reader, &value), IOTHUB_ERR_BAD_JSON);
}

static void expect_property(iothub_desired_iter *iter, const char *component, const char *name, const char *value)
{
    iothub_desired_property property;
    CHECK_EQ(iothub_desired_next(iter, &property), 1);
    CHECK((property.component.ptr == NULL) == (component == NULL));
    if (component != NULL)
        CHECK_EQ(iothub_json_equals(property.component, iothub_str_from(component)), 1);
    CHECK_EQ(iothub_json_equals(property.name, iothub_str_from(name)), 1);
    CHECK_STR(property.value, value);
}

static void test_split(void)
{
    iothub_desired_iter iter;
    iothub_desired_property property;
    iothub_str component, name;

    CHECK_EQ(iothub_desired_iter_init(&iter, sizeof iter, IOTHUB_DESIRED_DOCUMENT, IOTHUB_BYTES_STR(DOCUMENT), COMPONENTS,
                                      2), IOTHUB_OK);
    expect_property(&iter, NULL, "interval", "5");
    expect_property(&iter, "fan", "speed", "3");
    expect_property(&iter, "fan", "mode", "\"eco \\\"1\\\"\"");
    expect_property(&iter, "pump", "on", "true");
    expect_property(&iter, NULL, "colour", "{\"r\":1}");
    CHECK_EQ(iothub_desired_next(&iter, &property), 0);
    CHECK(property.name.ptr == NULL);
    CHECK_EQ(iothub_desired_next(&iter, &property), 0);

    CHECK_EQ(iothub_desired_iter_init(&iter, sizeof iter, IOTHUB_DESIRED_PATCH,
                                      IOTHUB_BYTES_STR("{\"fan\":null,\"$version\":8}"), NULL, 0), IOTHUB_OK);
    expect_property(&iter, NULL, "fan", "null");
    CHECK_EQ(iothub_desired_next(&iter, &property), 0);
    CHECK_EQ(iothub_desired_iter_init(&iter, sizeof iter, IOTHUB_DESIRED_PATCH, IOTHUB_BYTES_STR("{"), NULL, 0),
             IOTHUB_ERR_BAD_JSON);
    CHECK_EQ(iothub_desired_iter_init(&iter, sizeof iter, IOTHUB_DESIRED_PATCH, IOTHUB_BYTES_STR("{\"\xff\":1}"), NULL, 0),
             IOTHUB_ERR_BAD_UTF8);
    CHECK_EQ(iothub_desired_next(&iter, &property), IOTHUB_ERR_NOT_INITIALIZED);

    CHECK_EQ(iothub_command_split(IOTHUB_STR("fan*stop*now"), &component, &name), IOTHUB_OK);
    CHECK_STR(component, "fan");
    CHECK_STR(name, "stop*now");
    CHECK_EQ(iothub_command_split(IOTHUB_STR("reboot"), &component, &name), IOTHUB_OK);
    CHECK(component.ptr == NULL);
    CHECK_STR(name, "reboot");
}

static void test_patch(void)
{
    static const char WANTED[] =
        "{\"serial\":\"A \\\"1\\\"\\u000a\",\"fan\":{\"__t\":\"c\",\"speed\":-9223372036854775808,"
        "\"target\":{\"ac\":200,\"av\":18446744073709551615,\"ad\":\"done\",\"value\":[1]}},"
        "\"interval\":{\"ac\":203,\"av\":0,\"value\":5}}";
    const iothub_str none = { NULL, 0 };
    iothub_patch patch;
    uint8_t memory[256];
    iothub_bytes json;
    char name[256];
    iothub_str long_name;

    CHECK_EQ(iothub_patch_init(&patch, sizeof patch, memory, sizeof WANTED - 1), IOTHUB_OK);
    CHECK_EQ(iothub_patch_text(&patch, none, IOTHUB_STR("serial"), IOTHUB_STR("A \"1\"\n")), IOTHUB_OK);
    CHECK_EQ(iothub_patch_integer(&patch, IOTHUB_STR("fan"), IOTHUB_STR("speed"), INT64_MIN), IOTHUB_OK);
    CHECK_EQ(iothub_patch_acknowledge(&patch, IOTHUB_STR("fan"), IOTHUB_STR("target"), IOTHUB_BYTES_STR(" [1]"),
                                      IOTHUB_ACK_APPLIED, UINT64_MAX, IOTHUB_STR("done")), IOTHUB_OK);
    /* What is refused changes nothing. */
    CHECK_EQ(iothub_patch_json(&patch, IOTHUB_STR("fan"), IOTHUB_STR("target"), bytes_of("1")), IOTHUB_ERR_DUPLICATE);
    CHECK_EQ(iothub_patch_json(&patch, none, IOTHUB_STR("fan"), bytes_of("1")), IOTHUB_ERR_DUPLICATE);
    CHECK_EQ(iothub_patch_json(&patch, none, IOTHUB_STR("a"), bytes_of("1,2")), IOTHUB_ERR_BAD_JSON);
    CHECK_EQ(iothub_patch_json(&patch, none, IOTHUB_STR(""), bytes_of("1")), IOTHUB_ERR_BAD_TEXT);
    memset(name, 'n', sizeof name);
    long_name.ptr = name;
    long_name.len = 255;
    CHECK_EQ(iothub_patch_json(&patch, long_name, IOTHUB_STR("a"), bytes_of("1")), IOTHUB_ERR_BAD_TEXT);
    long_name.len = 200;
    CHECK_EQ(iothub_patch_json(&patch, none, long_name, bytes_of("1")), IOTHUB_ERR_BUFFER_TOO_SMALL);
    CHECK_EQ(iothub_patch_acknowledge(&patch, none, IOTHUB_STR("interval"), bytes_of("5"), IOTHUB_ACK_DEFAULT, 0, none),
             IOTHUB_OK);
    CHECK_EQ(iothub_patch_finish(&patch, &json), IOTHUB_OK);
    CHECK(json.ptr == memory);
    CHECK_STR(json, WANTED);
    CHECK_EQ(iothub_patch_finish(&patch, &json), IOTHUB_ERR_NOT_INITIALIZED);

    CHECK_EQ(iothub_patch_init(&patch, sizeof patch, memory, 2), IOTHUB_OK);
    CHECK_EQ(iothub_patch_finish(&patch, &json), IOTHUB_OK);
    CHECK_STR(json, "{}");
    CHECK_EQ(iothub_patch_init(&patch, sizeof patch, memory, 1), IOTHUB_OK);
    CHECK_EQ(iothub_patch_finish(&patch, &json), IOTHUB_ERR_BUFFER_TOO_SMALL);
    CHECK_EQ(iothub_patch_init(&patch, sizeof patch, NULL, 0), IOTHUB_OK);
    CHECK_EQ(iothub_patch_json(&patch, none, IOTHUB_STR("a"), bytes_of("1")), IOTHUB_ERR_BUFFER_TOO_SMALL);
    CHECK_EQ(iothub_patch_finish(&patch, &json), IOTHUB_ERR_BUFFER_TOO_SMALL);
}

int main(void)
{
    test_find();
    test_reader();
    test_split();
    test_patch();
    return 0;
}
