use super::*;
use proptest::prelude::*;
use std::{format, string::ToString};

const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";

#[test]
fn debug_shows_no_secret() {
    for credential in [
        format!("SharedAccessKeyName=device;SharedAccessKey={SECRET}"),
        format!("SharedAccessSignature=SharedAccessSignature sr=h&sig={SECRET}&se=1"),
    ] {
        let text = format!("HostName=h;DeviceId=dev1;{credential};Password={SECRET}");
        let parsed = ConnectionString::parse(&text).unwrap();
        for shown in [format!("{parsed:?}"), format!("{parsed:#?}"), format!("{:?}", parsed.credential())] {
            assert!(shown.contains("***") && !shown.contains(SECRET), "{shown}");
        }
    }
}

#[test]
fn errors_name_the_key_and_never_the_value() {
    let errors = [
        format!("HostName=h;DeviceId=d;SharedAccessKey={SECRET};SharedAccessKey={SECRET}"),
        format!("HostName=h;DeviceId=d;SharedAccessKey={SECRET}="),
        format!("HostName=h;SharedAccessKey={SECRET}"),
        format!("HostName=h;DeviceId=d;SharedAccessSignature=sig={SECRET}"),
        format!("HostName=h;DeviceId=d;SharedAccessKey=\"{SECRET}\""),
    ]
    .map(|text| ConnectionString::parse(&text).unwrap_err());
    for (error, word) in errors.iter().zip([
        "SharedAccessKey stands twice",
        "SharedAccessKey is not base64",
        "DeviceId is missing",
        "SharedAccessSignature does not begin",
        "at byte 38",
    ]) {
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains(SECRET) && !format!("{error:?}").contains(SECRET));
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*|([a-zA-Z0-9=; \n\"]{0,8}(HostName=|deviceid=|x509=true|;)){0,6}") {
        if let Ok(parsed) = ConnectionString::parse(&text) {
            prop_assert!(!parsed.identity().device_id.is_empty());
            prop_assert!(!parsed.connect_host().is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read(
        device_id in "[-A-Za-z0-9=.%@$]{1,20}",
        module_id in proptest::option::of("[a-z$]{1,9}"),
        gateway in proptest::option::of("[a-z.]{1,9}"),
        order: bool,
        white_space in "[ \r\n\t]{0,3}",
    ) {
        let mut fields = std::vec![
            std::string::String::from("hostname=contoso.azure-devices.net"),
            format!("DEVICEID={device_id}"),
            format!("SharedAccessKey={SECRET}"),
        ];
        fields.extend(module_id.as_ref().map(|id| format!("ModuleId={id}")));
        fields.extend(gateway.as_ref().map(|host| format!("GatewayHostName={host}")));
        if order {
            fields.reverse();
        }
        let text = format!("{white_space}{};{white_space}", fields.join(";"));
        let parsed = ConnectionString::parse(&text).unwrap();
        prop_assert_eq!(parsed.identity().device_id, device_id);
        prop_assert_eq!(parsed.identity().module_id, module_id.as_deref());
        prop_assert_eq!(parsed.connect_host(), gateway.as_deref().unwrap_or("contoso.azure-devices.net"));
        prop_assert_eq!(parsed.credential(), Credential::Key { key: SECRET, name: None });
        prop_assert_eq!(parsed.unknown_keys().count(), 0);
    }
}
