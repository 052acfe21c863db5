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

/// A line of a script without the spaces beside its signs; as it is where it may have a template or a regular expression.
fn dense_script(line: &str) -> String {
    if line.contains(['`', '/', '"', '\\']) {
        return line.to_owned();
    }
    let parts = line.split('\'').enumerate();
    let dense = parts.map(|(at, part)| {
        let is_code = at % 2 == 0;
        if is_code {
            without_spaces(part)
        } else {
            part.to_owned()
        }
    });
    dense.collect::<Vec<_>>().join("'")
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
                "if (a !== b && c) d = `e , ${f}`;",
                "if (a !== b && c) d = `e , ${f}`;",
            ),
            ("a = b / c , d", "a = b / c , d"),
        ] {
            assert_eq!(lean("/x.js", line), format!("{sent}\n"));
        }
    }
}
