//! The system properties: one table for both directions.

use super::{Encoded, PropertyIter};

macro_rules! system_properties {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// The system properties of an outgoing message, unencoded. `None` sends none; an empty text is sent
        /// as an empty value.
        ///
        /// ```
        /// use iothub_proto::topic::SystemProperties;
        /// let json = SystemProperties {
        ///     content_type: Some("application/json"),
        ///     content_encoding: Some("utf-8"),
        ///     ..Default::default()
        /// };
        /// ```
        // The C binding lends its own struct as this one, without a copy.
        #[repr(C)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct SystemProperties<'a> {
            $($(#[$doc])* pub $field: Option<&'a str>,)*
        }

        /// The system properties of a received message, percent-encoded as they came.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct ReceivedSystem<'i> {
            $($(#[$doc])* pub $field: Option<Encoded<'i>>,)*
        }

        /// The names, decoded, in the order of the fields: that in which they are sent.
        const NAMES: &[&str] = &[$($name,)*];

        /// The fields themselves, to go through them without a copy of their values.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        enum Key { $($field,)* }

        /// In the order of [`NAMES`].
        const KEYS: &[Key] = &[$(Key::$field,)*];

        impl<'a> SystemProperties<'a> {
            /// None of them.
            pub const NONE: Self = Self { $($field: None,)* };

            /// Whether none is set, as of most messages: one test of all fields, without a look at each. In a firmware
            /// its bytes are worth more.
            fn is_empty(&self) -> bool {
                cfg!(not(target_os = "none")) && !($(self.$field.is_some())|*)
            }

            #[cfg_attr(target_os = "none", inline(never))] // Inlined into a loop, all fields would be loaded before it, onto the stack.
            fn value(&self, key: Key) -> &Option<&'a str> {
                match key { $(Key::$field => &self.$field,)* }
            }
        }

        impl<'i> ReceivedSystem<'i> {
            /// The fields in the order of [`NAMES`].
            fn fields(&mut self) -> [&mut Option<Encoded<'i>>; NAMES.len()] {
                [$(&mut self.$field,)*]
            }
        }
    };
}

system_properties! {
    /// `$.mid`: message id, at most 128 ASCII characters.
    message_id = "$.mid",
    /// `$.cid`: correlation id.
    correlation_id = "$.cid",
    /// `$.uid`: user id.
    user_id = "$.uid",
    /// `$.to`: destination. On every cloud-to-device message: `/devices/{id}/messages/deviceBound`, letter
    /// case varies.
    to = "$.to",
    /// `$.ct`: content type. The hub routes by body only with `application/json`.
    content_type = "$.ct",
    /// `$.ce`: content encoding. The hub routes by body only with `utf-8`, `utf-16` or `utf-32`.
    content_encoding = "$.ce",
    /// `$.exp`: absolute expiry time, ISO 8601.
    expiry = "$.exp",
    /// `$.ctime`: creation time, ISO 8601.
    creation_time = "$.ctime",
    /// `$.on`: the output of a module, which the routes of IoT Edge start from.
    output = "$.on",
    /// `$.ifid`: interface id, of security messages.
    interface_id = "$.ifid",
    /// `$.schema`: message schema, on IoT Edge.
    schema = "$.schema",
    /// `$.sub`: the component of an IoT Plug and Play device that the message is from.
    component = "$.sub",
    /// `$.cdid`: the device that sent the message to a module's input. The gateway sets it.
    connection_device_id = "$.cdid",
    /// `$.cmid`: the module that sent the message to a module's input. The gateway sets it.
    connection_module_id = "$.cmid",
    /// `$.diagid`: id of a distributed trace.
    diagnostic_id = "$.diagid",
    /// `$.diagctx`: context of a distributed trace, `creationtimeutc=…`.
    diagnostic_context = "$.diagctx",
    /// `iothub-ack`: the feedback that the sender of a cloud-to-device message wants: `none`, `positive`,
    /// `negative`, `full`.
    ack = "iothub-ack",
    /// `iothub-operation`: operation, of a cloud-to-device message.
    operation = "iothub-operation",
}

impl<'a> SystemProperties<'a> {
    /// Names, decoded, and values of those that are set.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let keys = if self.is_empty() { &[] } else { KEYS };
        NAMES.iter().zip(keys).filter_map(|(name, &key)| Some((*name, (*self.value(key))?)))
    }
}

/// Where `name` stands in the table; `None` for the name of an application property.
pub(super) fn position(name: Encoded<'_>) -> Option<usize> {
    let raw = name.raw();
    if !matches!(raw.as_bytes().first(), Some(b'$' | b'%' | b'i')) {
        return None;
    }
    // As it is mostly spelled, with no escape but that of '$', it is compared as it stands; one without '$' is none of
    // those that begin with it.
    let (text, escaped) = raw.after("%24").map_or((raw, 0), |text| (text, 1));
    let found = NAMES.iter().position(|known| {
        known.as_bytes().get(escaped..) == Some(text.as_bytes()) && (escaped == 0 || known.starts_with('$'))
    });
    if found.is_none() && text.cut(b'%').1.is_some() { NAMES.iter().position(|known| name == **known) } else { found }
}

/// The first of each kind that has a value.
pub(super) fn collect<'i>(properties: PropertyIter<'i>) -> ReceivedSystem<'i> {
    let mut received = ReceivedSystem::default();
    let mut fields = received.fields();
    for property in properties {
        if let Some(field) = position(property.name).and_then(|at| fields.get_mut(at)) {
            **field = field.or(property.value);
        }
    }
    received
}
