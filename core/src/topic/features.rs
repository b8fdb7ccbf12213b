//! What a device can subscribe to.

use super::Device;
use crate::wire::Writer;

/// The filters of the features, those of messages and inputs after the address of the device or module. What is
/// received is recognised by the same texts.
pub(super) const MESSAGES: &str = "messages/devicebound/#";
pub(super) const TWIN: &str = "$iothub/twin/res/#";
pub(super) const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
pub(super) const METHODS: &str = "$iothub/methods/POST/#";
pub(super) const INPUTS: &str = "inputs/#";

/// A set of what the hub can send: each member is one topic filter in SUBSCRIBE.
///
/// ```
/// use iothub_proto::topic::Features;
/// let features = Features::METHODS | Features::MESSAGES;
/// assert!(features.contains(Features::METHODS));
/// assert!(features.iter().eq([Features::MESSAGES, Features::METHODS]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Features(u8);

impl Features {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Cloud-to-device messages. Devices only: the hub offers none to modules.
    pub const MESSAGES: Self = Self(0x01);
    /// Answers to twin requests.
    pub const TWIN: Self = Self(0x02);
    /// Changes of the twin's desired section.
    pub const DESIRED: Self = Self(0x04);
    /// Direct methods.
    pub const METHODS: Self = Self(0x08);
    /// Messages routed to the module's inputs. Modules only.
    pub const INPUTS: Self = Self(0x10);
    /// All that a device can have.
    pub const ALL_DEVICE: Self = Self::MESSAGES.union(Self::TWIN).union(Self::DESIRED).union(Self::METHODS);
    /// All that a module can have.
    pub const ALL_MODULE: Self = Self::TWIN.union(Self::DESIRED).union(Self::METHODS).union(Self::INPUTS);

    /// One bit a member, as the constants give them.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; `None` if one of them is no member.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let known = Self::ALL_DEVICE.0 | Self::ALL_MODULE.0;
        if bits & !known == 0 { Some(Self(bits)) } else { None }
    }

    /// Whether every member of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The members of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members of this set that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set has no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members one by one, always in the order of the constants: that of the filters in SUBSCRIBE.
    pub fn iter(self) -> impl Iterator<Item = Self> + Clone {
        (0..5).map(|bit| Self(1 << bit)).filter(move |&feature| self.contains(feature))
    }

    /// The QoS to ask for: 1 for messages, which the hub keeps until PUBACK; 0 for the `$iothub/` topics,
    /// where a late second copy is worth nothing. Of a set it is the highest among the members.
    #[must_use]
    pub const fn qos(self) -> u8 {
        if self.0 & (Self::MESSAGES.0 | Self::INPUTS.0) == 0 { 0 } else { 1 }
    }
}

impl core::ops::BitOr for Features {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

/// Writes the topic filter of one feature.
///
/// The caller has refused [`MESSAGES`](Features::MESSAGES) for modules and [`INPUTS`](Features::INPUTS) for
/// devices, and gives one member: for none or several nothing is written.
///
/// ```
/// use iothub_proto::topic::{Device, Features, put_filter};
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 64];
/// let mut writer = Writer::new(&mut room);
/// put_filter(&mut writer, Device { device_id: "boiler", module_id: None }, Features::MESSAGES);
/// assert_eq!(writer.finish().unwrap(), b"devices/boiler/messages/devicebound/#");
/// ```
pub fn put_filter(writer: &mut Writer<'_>, device: Device<'_>, feature: Features) {
    if feature == Features::MESSAGES || feature == Features::INPUTS {
        device.put(writer);
    }
    let rest = match feature {
        Features::MESSAGES => MESSAGES,
        Features::TWIN => TWIN,
        Features::DESIRED => DESIRED,
        Features::METHODS => METHODS,
        Features::INPUTS => INPUTS,
        _ => "",
    };
    writer.put(rest.as_bytes());
}
