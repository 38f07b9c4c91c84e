//! Text for HTML and SVG, and for tables of Markdown.

/// Escapes what has a meaning in HTML and XML, in text and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no place for other control characters, not even escaped.
            '\t' | '\n' => escaped.push(one),
            _ if one.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(one),
        }
    }
    escaped
}

/// Escapes what ends or changes a cell in a table of Markdown; HTML in it is no HTML then.
pub(super) fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\n' | '\r' => escaped.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '<' | '[' | ']' => escaped.extend(['\\', one]),
            _ => escaped.push(one),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            escape("a<b & \"c\" 'd'\u{1}"),
            "a&lt;b &amp; &quot;c&quot; &#39;d&#39;\u{fffd}"
        );
        assert_eq!(cell("a|b\n<i>*"), "a\\|b \\<i>\\*");
    }
}
