//! `bandwidthLimit`: `1.5MB`, `64KB`.
//!
//! Owns the way from text to bytes a second. Does not limit. Always true: what frpc takes for a number is taken (but
//! hexadecimal floats), and its errors are in its words. Worst case: the text's digits.

/// Bytes a second; `None`: no limit, as for what is not above zero.
pub(crate) fn parse(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let scaled = |unit, scale| text.strip_suffix(unit).map(|number| (number, scale));
    let Some((number, scale)) = scaled("MB", 1 << 20).or_else(|| scaled("KB", 1 << 10)) else {
        return Err("unit not support".to_owned());
    };
    let wrong = |why: &str| format!("strconv.ParseFloat: parsing \"{number}\": {why}");
    match plain(number).ok_or(Wrong::Syntax).and_then(|number| bytes(&number, scale)) {
        Ok(0) => Ok(None),
        Ok(bytes) => Ok(Some(bytes)),
        Err(Wrong::Syntax) => Err(wrong("invalid syntax")),
        Err(Wrong::Range) => Err(wrong("value out of range")),
    }
}

enum Wrong {
    Syntax,
    Range,
}

/// Without underscores, which may stand between digits.
fn plain(number: &str) -> Option<String> {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let parts: Vec<&str> = number.split('_').collect();
    let apart = |pair: &[&str]| matches!(pair, [a, b] if digit(a.chars().last()) && digit(b.chars().next()));
    parts.windows(2).all(apart).then(|| parts.concat())
}

/// By hand: reading floats takes 20 KB of a small machine's program. A negative number gives 0.
fn bytes(number: &str, scale: u64) -> Result<u64, Wrong> {
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let negative = number.starts_with('-');
    let word = |known: &str| unsigned.eq_ignore_ascii_case(known);
    if word("inf") || word("infinity") || word("nan") {
        return Ok(if negative || word("nan") { 0 } else { u64::MAX });
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.bytes().chain(rest.bytes());
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + rest.len() == 0
        || !all_digits(whole)
        || !all_digits(rest)
        || power.is_empty()
        || !all_digits(power)
    {
        return Err(Wrong::Syntax);
    }
    let sign = if exponent.starts_with('-') { -1 } else { 1 };
    let power = power.parse::<i64>().unwrap_or(i64::MAX).min(1 << 20) * sign;
    // Where the point is, counted from the first digit that is not zero.
    let zeros = digits.clone().take_while(|b| *b == b'0').count();
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(power);
    if zeros == whole.len() + rest.len() {
        return Ok(0);
    }
    if point.saturating_sub(i64::try_from(zeros).unwrap_or(0)) > 309 {
        return Err(Wrong::Range);
    }
    if negative {
        return Ok(0);
    }
    // 19 digits are more than a float has.
    let mut value = 0_u128;
    let mut taken = i64::try_from(zeros).unwrap_or(i64::MAX);
    for digit in digits.skip(zeros).take(19) {
        value = value * 10 + u128::from(digit - b'0');
        taken = taken.saturating_add(1);
    }
    let mut value = value * u128::from(scale);
    let mut shift = point.saturating_sub(taken);
    while shift > 0 && value < u128::from(u64::MAX) {
        value *= 10;
        shift -= 1;
    }
    while shift < 0 && value > 0 {
        value /= 10;
        shift += 1;
    }
    Ok(u64::try_from(value).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quantities_are_gos() {
        for (text, bytes) in [
            ("1MB", 1 << 20),
            ("1.5MB", 3 << 19),
            (".5KB", 512),
            ("5.KB", 5 << 10),
            ("+1e3KB", 1_024_000),
            ("0.1MB", 104_857),
            ("1E-2MB", 10_485),
            ("000.0010MB", 1048),
            ("12345678901234567890123MB", u64::MAX),
            ("infMB", u64::MAX),
            ("1_0e1_0KB", 102_400_000_000_000),
            ("0.0009765625KB", 1),
        ] {
            assert_eq!(parse(text), Ok(Some(bytes)), "{text}");
        }
        for text in ["", "0MB", "0e999999999999999999999MB", "-1MB", "1e-400KB", "NaNKB", "-InfinityKB", "0.0001KB"] {
            assert_eq!(parse(text), Ok(None), "{text}");
        }
        for text in ["1", "1mb", "1Mb", "1GB", "MB ", "10 mB"] {
            assert!(parse(text).unwrap_err().starts_with("unit not support"), "{text}");
        }
        for text in
            ["MB", "1 MB", "eMB", "1eMB", "1.2.3MB", "+-1MB", ".MB", "1e+-3KB", "x1KB", "1_MB", "_1MB", "1_.5MB"]
        {
            assert!(parse(text).unwrap_err().ends_with("invalid syntax"), "{text}");
        }
        assert!(parse("1e999MB").unwrap_err().ends_with("value out of range"));
    }
}
