//! `pnp`.

use super::{any, bytes, number, room, some_string, string, used};
use iothub_proto::pnp::{Ack, Command, PatchWriter, Properties, Property, PropertyReader, ReportedValue};

fn components() -> &'static [&'static str] {
    any(&[])
}

pub(super) fn all() {
    used(Command::parse(string()));
    split();
    read();
    write();
}

fn see(property: Property<'_>) {
    used(Property::is(&property, some_string(), string()));
}

#[inline(never)]
fn split() {
    for split in [Properties::of_document(bytes(), components()), Properties::of_patch(bytes(), components())] {
        let Ok(properties) = any(split) else { return };
        for property in properties {
            see(property);
            for inner in Properties::of_section(property.value, components()) {
                see(inner);
            }
            used(Properties::with_names(property.value, components()).next());
        }
    }
}

#[inline(never)]
fn read() {
    let document = PropertyReader::of_document(components(), room());
    for mut reader in [document, PropertyReader::of_patch(components(), room())] {
        PropertyReader::feed(&mut reader, bytes(), &mut see);
        used(PropertyReader::finish(&reader));
    }
}

#[inline(never)]
fn write() {
    let mut patch = any(PatchWriter::new(room()));
    let value = || match number() {
        0 => ReportedValue::Json(bytes()),
        1 => ReportedValue::Text(string()),
        _ => ReportedValue::Integer(any(0)),
    };
    used(PatchWriter::property(&mut patch, some_string(), string(), value()));
    let ack = any(Ack { code: any(0), version: any(0), description: some_string() });
    used(PatchWriter::acknowledge(&mut patch, some_string(), string(), value(), &ack));
    used(PatchWriter::is_empty(&patch));
    used(PatchWriter::finish(any(patch)));
}
