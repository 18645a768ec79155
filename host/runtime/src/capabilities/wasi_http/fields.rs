//! `fields`: headers of requests and responses.

use hyper::header::{HeaderName, HeaderValue};
use wasmtime::component::Resource;

use super::types::{self, HeaderError};
use crate::attempt::HostState;
use crate::capabilities::http::{HEADER_BYTES_MAX, HEADERS_MAX, is_of_the_connection};

/// Names in lower case, in the order in which they were added.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Clone, Debug, Default)]
pub struct Fields {
    entries: Vec<(String, Vec<u8>)>,
    /// Whether they belong to a request or a response, which nobody changes through them.
    is_fixed: bool,
}

impl Fields {
    /// Those of a response.
    pub(super) fn received(headers: Vec<(String, String)>) -> Self {
        let entries = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.into_bytes()));
        Self { entries: entries.collect(), is_fixed: true }
    }

    /// A copy that cannot be changed.
    pub(super) fn fixed(&self) -> Self {
        Self { is_fixed: true, ..self.clone() }
    }

    /// As a request carries them; none if a value is no text.
    pub(super) fn texts(&self) -> Option<Vec<(String, String)>> {
        let text = |(name, value): &(String, Vec<u8>)| Some((name.clone(), String::from_utf8(value.clone()).ok()?));
        self.entries.iter().map(text).collect()
    }

    fn add(&mut self, name: &str, values: Vec<Vec<u8>>) -> Result<(), HeaderError> {
        let name: HeaderName = name.parse().map_err(|_| HeaderError::InvalidSyntax)?;
        if values.iter().any(|value| HeaderValue::from_bytes(value).is_err()) {
            return Err(HeaderError::InvalidSyntax);
        }
        // Its length is checked against the body when the request is sent.
        if name != hyper::header::CONTENT_LENGTH && is_of_the_connection(name.as_str()) {
            return Err(HeaderError::Forbidden);
        }
        let held: usize = self.entries.iter().map(|(name, value)| name.len() + value.len()).sum();
        let more: usize = values.iter().map(|value| name.as_str().len() + value.len()).sum();
        if self.entries.len() + values.len() > HEADERS_MAX || held + more > HEADER_BYTES_MAX {
            return Err(HeaderError::Forbidden);
        }
        self.entries.extend(values.into_iter().map(|value| (name.as_str().to_owned(), value)));
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        self.entries.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    fn change(&mut self, name: &str) -> Result<(), HeaderError> {
        match self.is_fixed {
            true => Err(HeaderError::Immutable),
            false => name.parse::<HeaderName>().map(drop).map_err(|_| HeaderError::InvalidSyntax),
        }
    }
}

impl types::HostFields for HostState {
    fn new(&mut self) -> wasmtime::Result<Resource<Fields>> {
        self.lend(Fields::default())
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<Resource<Fields>, HeaderError>> {
        let mut fields = Fields::default();
        for (name, value) in entries {
            if let Err(error) = fields.add(&name, vec![value]) {
                return Ok(Err(error));
            }
        }
        self.lend(fields).map(Ok)
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        let entries = &self.table.get(&fields)?.entries;
        let named = entries.iter().filter(|(known, _)| known.eq_ignore_ascii_case(&name));
        Ok(named.map(|(_, value)| value.clone()).collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<bool> {
        Ok(self.table.get(&fields)?.entries.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)))
    }

    fn set(
        &mut self,
        fields: Resource<Fields>,
        name: String,
        values: Vec<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table.get_mut(&fields)?;
        Ok(fields.change(&name).and_then(|()| {
            let mut changed = fields.clone();
            changed.remove(&name);
            changed.add(&name, values)?;
            *fields = changed;
            Ok(())
        }))
    }

    fn delete(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table.get_mut(&fields)?;
        Ok(fields.change(&name).map(|()| fields.remove(&name)))
    }

    fn append(
        &mut self,
        fields: Resource<Fields>,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table.get_mut(&fields)?;
        Ok(fields.change(&name).and_then(|()| fields.add(&name, vec![value])))
    }

    fn entries(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.table.get(&fields)?.entries.clone())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Resource<Fields>> {
        let copy = Fields { is_fixed: false, ..self.table.get(&fields)?.clone() };
        self.lend(copy)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> wasmtime::Result<()> {
        self.table.delete(fields)?;
        Ok(())
    }
}
