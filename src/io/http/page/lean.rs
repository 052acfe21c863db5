//! The files of the page without what only readers of the source need.

/// Signs of a script beside which a space means nothing. Plus and minus are none of them: two of a kind are another sign.
const SIGNS: &str = "=*<>?:;,{}()[]&|!";

/// Without comments that have a line of their own, and without indentation.
pub(super) fn lean(path: &str, text: &str) -> String {
    let is_comment =
        |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    let lines = text.lines().map(str::trim_start);
    let kept = lines.filter(|line| !line.is_empty() && !is_comment(line));
    if path.ends_with(".js") {
        kept.flat_map(|line| [dense_script(line), "\n".to_owned()])
            .collect()
    } else if path.ends_with(".css") {
        kept.flat_map(|line| [dense_style(line), "\n".to_owned()])
            .collect()
    } else {
        kept.flat_map(|line| [line, "\n"]).collect()
    }
}

/// A line of a style sheet without the spaces between its parts. No text within quotes has one beside such a sign.
fn dense_style(line: &str) -> String {
    let shorter = [
        (": ", ":"),
        ("; ", ";"),
        (", ", ","),
        (" {", "{"),
        ("{ ", "{"),
        (" }", "}"),
        (";}", "}"),
    ];
    let dense = |line: String, (long, short)| line.replace(long, short);
    shorter.into_iter().fold(line.to_owned(), dense)
}

/// A line of a script without the spaces beside its signs and without a comment at its end; as it is from a slash on that is
/// no part of a text, which may begin a regular expression.
fn dense_script(line: &str) -> String {
    let mut rest = without_comment(line);
    let mut dense = String::with_capacity(rest.len());
    while let Some(at) = rest.find(['\'', '"', '`', '/', '\\']) {
        dense.push_str(&without_spaces(&rest[..at]));
        rest = &rest[at..];
        let Some(length) = text_length(rest) else {
            return dense + rest;
        };
        dense.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    dense + &without_spaces(rest)
}

/// Without the comment behind a statement, if it has no quote: what ends in one may be a text.
fn without_comment(line: &str) -> &str {
    let at = line.find("; // ");
    let at = at.filter(|at| !line[*at..].contains(['\'', '"', '`']));
    at.map_or(line, |at| &line[..=at])
}

/// Bytes of the text at the start of the line, with its quotes; `None` where there is none, or it does not end in this line.
fn text_length(line: &str) -> Option<usize> {
    let quote = line.chars().next()?;
    if !['\'', '"', '`'].contains(&quote) {
        return None;
    }
    let mut at = 1;
    loop {
        let rest = &line[at..];
        let sign = rest.chars().next()?;
        at += match sign {
            '\\' => 1 + rest.chars().nth(1)?.len_utf8(),
            '$' if quote == '`' && rest.starts_with("${") => expression_length(rest)?,
            _ if sign == quote => return Some(at + 1),
            _ => sign.len_utf8(),
        };
    }
}

/// Bytes of the expression `${...}` at the start of the line; `None` where it does not end in this line.
fn expression_length(line: &str) -> Option<usize> {
    let (mut at, mut depth) = (1, 0_u32);
    loop {
        let rest = &line[at..];
        let sign = rest.chars().next()?;
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        at += match sign {
            '\'' | '"' | '`' => text_length(rest)?,
            _ => sign.len_utf8(),
        };
        if depth == 0 {
            return Some(at);
        }
    }
}

fn without_spaces(code: &str) -> String {
    let is_sign = |near: Option<char>| near.is_some_and(|near| SIGNS.contains(near));
    let mut kept = String::with_capacity(code.len());
    let mut before = None;
    let mut rest = code.chars();
    while let Some(sign) = rest.next() {
        if sign != ' ' || !(is_sign(before) || is_sign(rest.clone().next())) {
            kept.push(sign);
        }
        before = Some(sign);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_only_for_readers_of_the_source() {
        let text = "// why\na {\n  /* what */\n\n  b: '// c'; // d\n}\n";
        assert_eq!(lean("/x.html", text), "a {\nb: '// c'; // d\n}\n");
        let style =
            "  a:hover > b, i { c: d e; f: '→ '; }\n@media (g: 1px) { a { h: calc(1px + 2px) } }\n";
        let sent = "a:hover > b,i{c:d e;f:'→ '}\n@media (g:1px){a{h:calc(1px + 2px)}}\n";
        assert_eq!(lean("/x.css", style), sent);
        for (line, sent) in [
            (
                "const a = (b, c) => { return b ? 'd , e' : c - -1; };",
                "const a=(b,c)=>{return b?'d , e':c - -1;};",
            ),
            (
                "if (a !== b && c) d = `e , ${f({g: ` , ${h} `, i: '} ; '})} , ` + [j, 'k , l'];",
                "if(a!==b&&c)d=`e , ${f({g: ` , ${h} `, i: '} ; '})} , ` +[j,'k , l'];",
            ),
            ("a = b / c , d", "a=b / c , d"),
            ("a = '\\' , ' , b; // why, and how", "a='\\' , ',b;"),
            ("a = '; // b , c';", "a='; // b , c';"),
            ("a (`b , ", "a(`b , "),
        ] {
            assert_eq!(lean("/x.js", line), format!("{sent}\n"));
        }
    }
}
