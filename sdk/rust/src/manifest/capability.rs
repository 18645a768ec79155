//! What a plugin asks its operator for: folders, addresses, secrets.
//!
//! Asking gives nothing: an operator grants it in `spine.toml`. What is optional and not granted is an error with the code
//! `not_granted` when it is used.

use super::json::Object;

/// Asks for a folder. Files in it are listed and read by this name; with [`Folder::writable`] they are saved too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder {
    pub name: &'static str,
    pub writable: bool,
    pub required: bool,
    pub reason: &'static str,
}

impl Folder {
    /// A folder without which the plugin is refused. `reason` tells the operator what for.
    pub const fn required(name: &'static str, reason: &'static str) -> Self {
        Self { name, writable: false, required: true, reason }
    }

    /// A folder without which only some of the plugin's work fails.
    pub const fn optional(name: &'static str, reason: &'static str) -> Self {
        Self { name, writable: false, required: false, reason }
    }

    /// Asks to save files in it too.
    #[must_use]
    pub const fn writable(self) -> Self {
        Self { writable: true, ..self }
    }

    pub(crate) fn write(self, capability: &mut Object<'_>) {
        capability.text("kind", "folder");
        if self.writable {
            capability.text("access", "write");
        }
        common(capability, self.name, self.required, self.reason);
    }
}

/// Asks to send HTTP requests to addresses: `https://api.example.com:8443`, `api.example.com` (https), `*.example.com`,
/// `*`, `api.example.com:*` (every port).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// A word for people.
    pub name: &'static str,
    pub address: &'static str,
    /// `GET` alone unless [`Http::methods`] says otherwise.
    pub methods: &'static [&'static str],
    pub required: bool,
    pub reason: &'static str,
}

impl Http {
    /// Addresses without which the plugin is refused. `reason` tells the operator what for.
    pub const fn required(name: &'static str, address: &'static str, reason: &'static str) -> Self {
        Self { name, address, methods: &["GET"], required: true, reason }
    }

    /// Addresses without which only some of the plugin's work fails.
    pub const fn optional(name: &'static str, address: &'static str, reason: &'static str) -> Self {
        Self { name, address, methods: &["GET"], required: false, reason }
    }

    /// The methods of the requests, in capital letters.
    #[must_use]
    pub const fn methods(self, methods: &'static [&'static str]) -> Self {
        Self { methods, ..self }
    }

    pub(crate) fn write(self, capability: &mut Object<'_>) {
        capability.text("kind", "http");
        capability.text("address", self.address);
        capability.texts("methods", self.methods);
        common(capability, self.name, self.required, self.reason);
    }
}

/// Asks for a secret, by the name that [`Host::secret`](crate::Host::secret) is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    pub name: &'static str,
    pub required: bool,
    pub reason: &'static str,
}

impl Secret {
    /// A secret without which the plugin is refused. `reason` tells the operator what for.
    pub const fn required(name: &'static str, reason: &'static str) -> Self {
        Self { name, required: true, reason }
    }

    /// A secret without which only some of the plugin's work fails.
    pub const fn optional(name: &'static str, reason: &'static str) -> Self {
        Self { name, required: false, reason }
    }

    pub(crate) fn write(self, capability: &mut Object<'_>) {
        capability.text("kind", "secret");
        common(capability, self.name, self.required, self.reason);
    }
}

fn common(capability: &mut Object<'_>, name: &str, required: bool, reason: &str) {
    capability.text("name", name);
    capability.flag("required", required);
    capability.text("reason", reason);
}
