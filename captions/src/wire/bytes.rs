//! The fields of a frame, written and read: big-endian numbers, texts and lists with their length first, each with its
//! bound. Knows no message.

use super::{MAX_FRAME, WireError, is_line};

/// A frame being written. The first fault is kept and told at the end.
pub(super) struct Writer {
    frame: Vec<u8>,
    fault: Option<WireError>,
}

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        let mut frame = Vec::with_capacity(64);
        frame.extend_from_slice(&[0, 0, 0, 0, kind]);
        Self { frame, fault: None }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.frame.push(value);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.frame.push(u8::from(value));
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.frame.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.frame.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.frame.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.frame.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, field: &'static str, value: &[u8], most: usize) {
        match u16::try_from(value.len()) {
            Ok(length) if value.len() <= most => {
                self.u16(length);
                self.frame.extend_from_slice(value);
            }
            _ => self.fault(WireError::TooLong(field)),
        }
    }

    pub(super) fn text(&mut self, field: &'static str, value: &str, most: usize) {
        self.bytes(field, value.as_bytes(), most);
    }

    /// A text that a person reads: see [`super::line`].
    pub(super) fn line(&mut self, field: &'static str, value: &str, most: usize) {
        if is_line(value) {
            self.text(field, value, most);
        } else {
            self.fault(WireError::NotLine(field));
        }
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        values: &[T],
        most: usize,
        mut write: impl FnMut(&mut Self, &T),
    ) {
        match u16::try_from(values.len()) {
            Ok(length) if values.len() <= most => {
                self.u16(length);
                for value in values {
                    write(self, value);
                }
            }
            _ => self.fault(WireError::TooLong(field)),
        }
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, WireError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let length = self.frame.len().saturating_sub(4);
        if length > MAX_FRAME {
            return Err(WireError::FrameTooLong(length));
        }
        let head = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        for (place, byte) in self.frame.iter_mut().zip(head) {
            *place = byte;
        }
        Ok(self.frame)
    }

    fn fault(&mut self, fault: WireError) {
        self.fault.get_or_insert(fault);
    }
}

/// A frame being read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(WireError::Truncated(field))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub(super) fn bool(&mut self, field: &'static str) -> Result<bool, WireError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Unknown(field)),
        }
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, WireError> {
        self.array(field).map(i64::from_be_bytes)
    }

    pub(super) fn bytes(
        &mut self,
        field: &'static str,
        most: usize,
    ) -> Result<&'a [u8], WireError> {
        let length = usize::from(self.u16(field)?);
        if length > most {
            return Err(WireError::TooLong(field));
        }
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(WireError::Truncated(field))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self, field: &'static str, most: usize) -> Result<String, WireError> {
        let bytes = self.bytes(field, most)?;
        let text = std::str::from_utf8(bytes).map_err(|_| WireError::NotText(field))?;
        Ok(text.to_owned())
    }

    /// What the other side wrote with [`Writer::line`], or should have.
    pub(super) fn line(&mut self, field: &'static str, most: usize) -> Result<String, WireError> {
        let text = self.text(field, most)?;
        if is_line(&text) {
            Ok(text)
        } else {
            Err(WireError::NotLine(field))
        }
    }

    pub(super) fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        if self.bool(field)? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let length = usize::from(self.u16(field)?);
        if length > most {
            return Err(WireError::TooLong(field));
        }
        // Grows with what is really there: a length that lies costs nothing.
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(read(self)?);
        }
        Ok(values)
    }

    pub(super) fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing)
        }
    }
}
