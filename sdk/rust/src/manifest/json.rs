//! Writes JSON text. Much smaller in a component than building values first.

/// One JSON object that is being written.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

/// Writes an object whose entries `entries` writes.
pub(crate) fn object(entries: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    nested(&mut out, entries);
    out
}

fn nested(out: &mut String, entries: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    entries(&mut Object { out, empty: true });
    out.push('}');
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> &mut String {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        text(self.out, name);
        self.out.push(':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        text(self.name(name), value);
    }

    /// Leaves the entry out where there is no value.
    pub(crate) fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// `value` is JSON.
    pub(crate) fn raw(&mut self, name: &str, value: &str) {
        self.name(name).push_str(value);
    }

    pub(crate) fn texts(&mut self, name: &str, values: &[&str]) {
        let out = self.name(name);
        out.push('[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            text(out, value);
        }
        out.push(']');
    }

    pub(crate) fn object(&mut self, name: &str, entries: impl FnOnce(&mut Object<'_>)) {
        nested(self.name(name), entries);
    }

    /// A list of `count` objects; `entries` writes those of each.
    pub(crate) fn list(&mut self, name: &str, count: usize, entries: &mut dyn FnMut(usize, &mut Object<'_>)) {
        let out = self.name(name);
        out.push('[');
        for at in 0..count {
            if at > 0 {
                out.push(',');
            }
            nested(out, |object| entries(at, object));
        }
        out.push(']');
    }
}

fn text(out: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\0'..='\u{1f}' => {
                let code = character as usize;
                out.push_str("\\u00");
                out.push(char::from(HEX[code / 16]));
                out.push(char::from(HEX[code % 16]));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json_whatever_the_text() {
        let json = object(|it| {
            it.text("a \"b\"", "\\ \n \u{1} é \u{1f600}");
            it.text_if("none", None);
            it.flag("flag", true);
            it.texts("texts", &["x", "\t"]);
            it.object("empty", |_| {});
            it.list("list", 2, &mut |at, it| it.raw("at", &at.to_string()));
        });
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["a \"b\""], "\\ \n \u{1} é \u{1f600}");
        assert_eq!(value["texts"][1], "\t");
        assert_eq!(value["list"][1]["at"], 1);
        assert_eq!(value.as_object().unwrap().len(), 5);
    }
}
