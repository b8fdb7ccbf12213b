//! What an IoT Edge gateway does with the outputs of modules.

use super::{CloudMessage, Hub, topic::Property};

/// From an output of one module to an input of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The module that sends.
    pub from: String,
    /// Its output.
    pub output: String,
    /// The module that receives.
    pub to: String,
    /// Its input.
    pub input: String,
}

impl Route {
    /// Reads `{device}/{module}/{output}={device}/{module}/{input}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = |text: &str| {
            let (module, name) = text.rsplit_once('/')?;
            (module.split('/').filter(|id| !id.is_empty()).count() == 2 && !name.is_empty())
                .then(|| (module.to_owned(), name.to_owned()))
        };
        let (from, to) = text.split_once('=')?;
        let ((from, output), (to, input)) = (end(from)?, end(to)?);
        Some(Self { from, output, to, input })
    }
}

impl Hub {
    /// Adds a route. A message that takes one does not go to the cloud; it is lost if nobody is there to receive it.
    pub fn add_route(&mut self, route: Route) {
        self.routes.push(route);
    }

    /// Sends a module's message on by every route of its output; `false` if there is none.
    pub(super) fn route(&mut self, client_id: &str, properties: &[Property], payload: &[u8]) -> bool {
        let output = properties.iter().find(|(name, _)| name == "$.on").and_then(|(_, value)| value.as_deref());
        let Some(output) = output else { return false };
        let leads = |route: &&Route| route.from == client_id && route.output == output;
        let routes: Vec<Route> = self.routes.iter().filter(leads).cloned().collect();
        let mut message = CloudMessage::new(payload);
        let (device, module) = client_id.split_once('/').unwrap_or((client_id, ""));
        let sender = [("$.cdid", device), ("$.cmid", module)];
        message.system = sender.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        for (name, value) in properties {
            let value = value.clone().unwrap_or_default();
            match name.as_str() {
                "$.mid" => message.message_id = value,
                "$.on" | "$.to" => {}
                system if system.starts_with("$.") => message.system.push((name.clone(), value)),
                _ => message.properties.push((name.clone(), value)),
            }
        }
        for route in &routes {
            // Nobody there: lost, as said above.
            let _ = self.send_input(&route.to, &route.input, &message);
        }
        !routes.is_empty()
    }
}
