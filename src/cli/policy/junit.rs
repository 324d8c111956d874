//! Results of `policy test` as JUnit XML, as build servers read it.

use std::fmt::Write as _;

use super::test::{FileResult, Outcome};

/// One suite a file.
pub(super) fn report(files: &[FileResult]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for file in files {
        let count =
            |wanted: fn(&Outcome) -> bool| file.cases.iter().filter(|case| wanted(&case.outcome)).count();
        let failures = count(|outcome| matches!(outcome, Outcome::Different(_)));
        let errors = count(|outcome| matches!(outcome, Outcome::Broken(_)));
        // Writing to a String can't fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">",
            escaped(&file.name),
            file.cases.len(),
        );
        for case in &file.cases {
            let head = format!(
                "    <testcase classname=\"{}\" name=\"{}\"",
                escaped(&file.name),
                escaped(&case.name)
            );
            let _ = match &case.outcome {
                Outcome::AsExpected => writeln!(xml, "{head}/>"),
                Outcome::Different(differences) => {
                    let text: Vec<String> = differences.iter().map(ToString::to_string).collect();
                    let text = escaped(&text.join("; "));
                    writeln!(xml, "{head}>\n      <failure message=\"{text}\"/>\n    </testcase>")
                }
                Outcome::Broken(why) => {
                    writeln!(xml, "{head}>\n      <error message=\"{}\"/>\n    </testcase>", escaped(why))
                }
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text in an attribute. Characters that XML 1.0 can't hold are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_name_of_a_case_breaks_the_xml() {
        assert_eq!(escaped("a<b> & \"c\"\u{1b}\n\u{ffff}"), "a&lt;b&gt; &amp; &quot;c&quot; ");
    }
}
