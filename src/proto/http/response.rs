//! Answers, and how they are written.
//!
//! Owns nothing. Does not decide what is answered. Always true: an answer says its length; header values cannot break
//! out of their line. Worst case: the body once more, in the output.

use std::borrow::Cow;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers beside those that the connection is about.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// What comes after them.
    pub body: Cow<'static, [u8]>,
}

impl Response {
    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    /// With a body of this type.
    pub fn new(status: u16, kind: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { status, headers: vec![("Content-Type", Cow::Borrowed(kind))], body: body.into() }
    }

    /// With plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// The same with a header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Bytes it takes to write, about.
    pub fn size(&self) -> usize {
        256 + self.body.len()
    }

    /// Appends it. `bare`: without its body; `connection`: the header of that name; `unix_time`: 0 if unknown.
    pub(super) fn write(&self, out: &mut Vec<u8>, bare: bool, connection: Option<&str>, unix_time: u64) {
        let mut line = |text: &str| {
            let clean = text.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b });
            out.extend(clean);
            out.extend_from_slice(b"\r\n");
        };
        line(&format!("HTTP/1.1 {} {}", self.status, reason(self.status)));
        for (name, value) in &self.headers {
            line(&format!("{name}: {value}"));
        }
        if unix_time > 0 {
            line(&format!("Date: {}", date(unix_time)));
        }
        if let Some(connection) = connection {
            line(&format!("Connection: {connection}"));
        }
        line(&format!("Content-Length: {}", self.body.len()));
        line("");
        if !bare {
            out.extend_from_slice(&self.body);
        }
    }
}

/// The name of a status code, as Go has it.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// A date as headers have it: `Tue, 15 Nov 1994 08:12:31 GMT`.
fn date(unix_time: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (unix_time / 86_400, unix_time % 86_400);
    // Years from March on, so that the odd day is the last one; 719468 days from then to 1970.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let (month, later) = if from_march < 10 { (from_march + 2, 0) } else { (from_march - 10, 1) };
    let name = |names: &[&'static str], at: u64| usize::try_from(at).ok().and_then(|at| names.get(at).copied());
    format!(
        "{}, {day_of_month:02} {} {:04} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days % 7).unwrap_or_default(),
        name(&MONTHS, month).unwrap_or_default(),
        era * 400 + year_of_era + later,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_887_151, "Tue, 15 Nov 1994 08:12:31 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(date(time), text);
        }
    }
}
