//! Header fields in the order received (RFC 3261 §7.3), found by name in long or compact form.
//!
//! Names and values are slices of what was received, as bytes; text views replace what is not UTF-8. Typed views are
//! made when asked for and refuse what they cannot represent: judging a whole message is `validate`'s.

use std::borrow::Cow;

use bytes::Bytes;

use super::syntax::{find_outside, is_token, number, split_list};
use super::{CSeq, Method, Name, NameAddr, Via};

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: Name,
    text: Bytes,
    value: Bytes,
}

/// Header fields in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Field>,
}

impl Headers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// All fields as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.fields.iter().map(|field| (String::from_utf8_lossy(&field.text), String::from_utf8_lossy(&field.value)))
    }

    /// Name and value as bytes, in order.
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (&field.text[..], &field.value[..]))
    }

    /// The first value of that name.
    pub fn text(&self, name: Name) -> Option<Cow<'_, str>> {
        self.all(name).next()
    }

    /// The first value of a name that need not be a [`Name`].
    pub fn other(&self, name: &str) -> Option<Cow<'_, str>> {
        let known = Name::of(name);
        if known != Name::Other {
            return self.text(known);
        }
        let found = self.fields.iter().find(|field| field.text.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(String::from_utf8_lossy(&found.value))
    }

    /// The value of each field of that name.
    pub fn all(&self, name: Name) -> impl Iterator<Item = Cow<'_, str>> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| String::from_utf8_lossy(&field.value))
    }

    /// There is a field of that name.
    pub fn contains(&self, name: Name) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// Known name and value as bytes, in order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (Name, &[u8])> {
        self.fields.iter().map(|field| (field.name, &field.value[..]))
    }

    /// Adds the first field of that name of another message, or all of them, as received.
    pub(super) fn copy(&mut self, from: &Self, name: Name, most: usize) {
        self.fields.extend(from.fields.iter().filter(|field| field.name == name).take(most).cloned());
    }

    /// The elements of all fields of that name, split at commas outside quotes and angle brackets.
    pub fn list(&self, name: Name) -> Vec<String> {
        self.all(name)
            .flat_map(|value| split_list(&value).map(str::to_owned).collect::<Vec<_>>())
            .filter(|element| !element.is_empty())
            .collect()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: Name, value: &str) {
        let text = Bytes::from_static(name.as_str().as_bytes());
        self.fields.push(Field { name, text, value: Bytes::copy_from_slice(value.as_bytes()) });
    }

    /// Adds a field of any name at the end.
    pub fn push_text(&mut self, name: &str, value: &str) {
        self.push_raw(Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    }

    /// Adds a field at the end as received.
    pub(super) fn push_raw(&mut self, text: Bytes, value: Bytes) {
        let name = std::str::from_utf8(&text).map_or(Name::Other, Name::of);
        self.fields.push(Field { name, text, value });
    }

    /// Adds a field before all others.
    pub fn push_front(&mut self, name: Name, value: &str) {
        self.push(name, value);
        self.fields.rotate_right(1);
    }

    /// Replaces the first field of that name where it stands, and removes its others; adds one if there was none.
    pub fn replace(&mut self, name: Name, value: &str) {
        let Some(at) = self.fields.iter().position(|field| field.name == name) else {
            return self.push(name, value);
        };
        let mut index = 0;
        self.fields.retain(|field| {
            index += 1;
            index - 1 <= at || field.name != name
        });
        self.fields[at].value = Bytes::copy_from_slice(value.as_bytes());
    }

    /// Removes all fields of that name.
    pub fn remove(&mut self, name: Name) {
        self.fields.retain(|field| field.name != name);
    }

    /// The topmost Via.
    pub fn via(&self) -> Option<Via> {
        let value = self.text(Name::Via)?;
        let first = split_list(&value).next()?;
        Via::parse(first)
    }

    /// Replaces the topmost Via, leaving those behind it alone.
    pub fn replace_via(&mut self, via: &Via) {
        let Some(at) = self.fields.iter().position(|field| field.name == Name::Via) else {
            return;
        };
        let old = &self.fields[at].value;
        let mut value = via.to_string().into_bytes();
        value.extend_from_slice(find_outside(old, b',').map_or(b"", |comma| &old[comma..]));
        self.fields[at].value = Bytes::from(value);
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(&self.text(Name::From)?)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(&self.text(Name::To)?)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Option<Cow<'_, str>> {
        self.text(Name::CallId)
    }

    /// CSeq.
    pub fn cseq(&self) -> Option<CSeq> {
        let value = self.text(Name::CSeq)?;
        let (sequence, method) = value.split_once(|c: char| c.is_ascii_whitespace())?;
        let sequence = number(sequence).filter(|sequence: &u32| *sequence < 1 << 31)?;
        let method = method.trim();
        is_token(method.as_bytes()).then(|| CSeq { number: sequence, method: Method::from(method) })
    }

    /// An unsigned number, as in Max-Forwards or Expires; `None` when it is none or does not fit.
    pub fn number(&self, name: Name) -> Option<u32> {
        number(self.text(name)?.trim())
    }

    /// A list of name-addrs, as in Contact, Route, Record-Route.
    pub fn name_addrs(&self, name: Name) -> Vec<NameAddr> {
        self.list(name).iter().filter_map(|element| NameAddr::parse(element)).collect()
    }
}
