//! Words of a command that people copy into a shell: no name can become anything but one word.

/// Writes one argument so that a POSIX shell reads it back as it is.
pub(super) fn quote(word: &str) -> String {
    let is_plain =
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:,=@".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A command: a fixed beginning, then arguments that are quoted where they need it.
pub(crate) fn command(fixed: &str, arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| quote(argument));
    std::iter::once(fixed.to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_one_word() {
        assert_eq!(command("az x", &["--name", "a-b_1.c"]), "az x --name a-b_1.c");
        assert_eq!(quote("a; rm -rf ~"), "'a; rm -rf ~'");
        assert_eq!(quote("it's $(x) `y`"), r"'it'\''s $(x) `y`'");
        assert_eq!(quote("größe"), "'größe'");
        assert_eq!(quote(""), "''");
    }
}
