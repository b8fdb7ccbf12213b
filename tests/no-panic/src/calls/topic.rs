//! `topic`.

use super::{any, bytes, number, room, some_string, string, used, writer};
use iothub_proto::topic::{
    Device, Encoded, Features, Properties, Property, PropertyIter, SystemProperties, method, properties, registration,
    telemetry, twin,
};
use iothub_proto::wire::Text;

pub(super) fn all() {
    features();
    topics();
    bag();
    encoded();
}

pub(super) fn some_system() -> SystemProperties<'static> {
    let mut system = any(SystemProperties::NONE);
    system.message_id = some_string();
    any(system)
}

pub(super) fn some_properties() -> &'static [(&'static str, &'static str)] {
    any(&[])
}

fn some_features() -> Features {
    Features::from_bits(any(0)).unwrap_or_default()
}

fn some_device() -> Device<'static> {
    any(Device { device_id: string(), module_id: some_string() })
}

#[inline(never)]
fn features() {
    used(Features::bits(some_features()));
    used(Features::contains(some_features(), some_features()));
    used(Features::union(some_features(), some_features()));
    used(Features::difference(some_features(), some_features()));
    used(Features::is_empty(some_features()));
    used(Features::qos(some_features()));
    for feature in Features::iter(some_features()) {
        used(feature);
    }
}

#[inline(never)]
fn topics() {
    let mut w = writer();
    iothub_proto::topic::put_filter(&mut w, some_device(), some_features());
    method::put_response_topic(&mut w, any(0), bytes());
    used(telemetry::put_topic(&mut w, some_device(), &some_system(), &some_properties()));
    twin::put_get_topic(&mut w);
    twin::put_report_topic(&mut w);
    used(properties::put_bag(&mut w, &some_system(), &some_properties()));
    used(w);
    registration_topics();
    used(properties::check(&some_properties()));
    used(iothub_proto::topic::parse(string(), some_device()));
}

#[inline(never)]
fn registration_topics() {
    let mut w = writer();
    registration::put_register_topic(&mut w, any(0));
    registration::put_poll_topic(&mut w, any(0), string());
    used(w);
    used(registration::parse(string()));
}

#[inline(never)]
fn bag() {
    let bag = any(Properties::new(string()));
    used(Properties::raw(&bag));
    used(Properties::is_empty(&bag));
    used(Properties::system(&bag));
    used(Properties::get(&bag, string()));
    for property in Properties::application(&bag) {
        used(property);
    }
    let mut iter = Properties::iter(&bag);
    used(PropertyIter::rest(&iter));
    if let Some(property) = iter.next() {
        used(Property::is_system(&any(property)));
        used(Property::system_position(&any(property)));
    }
    for property in PropertyIter::resume(any(Text::new(string()))) {
        used(property);
    }
}

#[inline(never)]
fn encoded() {
    let encoded = any(Encoded::new(string()));
    used(Encoded::raw(&encoded));
    used(Encoded::is_empty(&encoded));
    for byte in Encoded::bytes(&encoded) {
        used(byte);
    }
    used(Encoded::decoded_len(&encoded));
    used(Encoded::decode(&encoded, room()));
    used(any(encoded) == any(encoded));
    used(any(encoded) == *string());
    used(number());
}
