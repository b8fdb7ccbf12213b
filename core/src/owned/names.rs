//! An identity in memory of its own.

use crate::auth::Identity;
use alloc::boxed::Box;
use alloc::string::String;

/// The texts of an [`Identity`], one after another in one allocation.
#[derive(Debug)]
pub(super) struct Names {
    text: Box<str>,
    /// Where each field ends. An identity that passed its check has less than 6 KiB, and no empty field but those
    /// that are absent.
    ends: [u16; 6],
}

impl Names {
    /// Copies `identity`, which passed its check.
    pub(super) fn new(identity: &Identity<'_>) -> Self {
        let Identity { host_name, device_id, module_id, api_version, product, model_id } = *identity;
        let fields =
            [host_name, device_id, module_id.unwrap_or_default(), api_version, product, model_id.unwrap_or_default()];
        let len = fields.iter().fold(0usize, |len, field| len.saturating_add(field.len()));
        let mut text = String::with_capacity(len);
        let ends = fields.map(|field| {
            text.push_str(field);
            text.len() as u16
        });
        Self { text: text.into_boxed_str(), ends }
    }

    /// The identity, made anew from the texts.
    pub(super) fn identity(&self) -> Identity<'_> {
        let mut start = 0;
        let mut rest = &*self.text;
        let [host_name, device_id, module_id, api_version, product, model_id] = self.ends.map(|end| {
            let (field, after) = rest.split_at_checked(usize::from(end.wrapping_sub(start))).unwrap_or_default();
            (start, rest) = (end, after);
            field
        });
        let given = |text: &'_ str| !text.is_empty();
        Identity {
            host_name,
            device_id,
            module_id: Some(module_id).filter(|text| given(text)),
            api_version,
            product,
            model_id: Some(model_id).filter(|text| given(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_comes_back() {
        let device = Identity::device("contoso.azure-devices.net", "dev1");
        let module = Identity::module("h", "d", "m").with_api_version("2020-09-30");
        let long = "é".repeat(2048);
        for identity in [
            device,
            module,
            device.with_model_id("dtmi:com:example:Thermostat;1"),
            module.with_product("Gerät/1.0").with_model_id(&long),
        ] {
            identity.check().unwrap();
            assert_eq!(Names::new(&identity).identity(), identity);
        }
    }
}
