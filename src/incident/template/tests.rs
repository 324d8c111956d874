use minijinja::context;

use super::*;

fn rendered(kind: Kind, source: &str, text: &str) -> Result<String, String> {
    let mut templates = Templates::new();
    let name = templates.add("t", kind, source).map_err(|error| error.to_string())?;
    templates
        .render(&name, &context! { x => text, safe => checked("https://a.example/b"), list => [1, 2] })
        .map_err(|error| error.to_string())
}

#[test]
fn each_kind_of_template_escapes_in_its_own_way() {
    let text = "a\"b/c d\r\n&é?";
    assert_eq!(rendered(Kind::Json, "[{{ x }}]", text).unwrap(), r#"["a\"b/c d\r\n&é?"]"#);
    assert_eq!(
        rendered(Kind::Url, "{{ safe }}/{{ x }}", text).unwrap(),
        "https://a.example/b/a%22b%2Fc%20d%0D%0A%26%C3%A9%3F"
    );
    assert_eq!(rendered(Kind::Header, "k {{ x }}", text).unwrap(), "k a\"b/c d__&_?");
    assert_eq!(rendered(Kind::Condition, "x == 'a'", "a").unwrap(), "yes");
    assert_eq!(rendered(Kind::Condition, "x == 'a'", "b").unwrap(), "");
}

#[test]
fn what_is_not_there_and_what_is_no_text_is_a_fault_in_a_url() {
    for source in
        ["{{ y }}", "{{ list }}", "{{ none }}", "{{ x | escape }}", "{{ x | tojson }}", "{{ x | safe }}"]
    {
        assert!(rendered(Kind::Url, source, "a").is_err(), "{source}");
    }
    assert!(rendered(Kind::Url, "{% autoescape 'none' %}{{ x }}{% endautoescape %}", "a").is_err());
}

#[test]
fn filters_make_text_of_what_would_be_markup() {
    assert_eq!(filters::cut("äöü", 2), "ä…");
    assert_eq!(filters::cut("äö", 2), "äö");
    assert_eq!(filters::slack("<!here> *b* & `c`"), "&lt;!here&gt; ∗b∗ &amp; ˋcˋ");
    assert_eq!(filters::markdown("[a](b) *c* <d>"), r"\[a\]\(b\) \*c\* &lt;d&gt;");
    assert_eq!(filters::markdown("1. a\n2 b.c"), "1\\. a\n2 b.c");
    assert_eq!(filters::slack("_b_ snake_case :fire: 18:04 > a"), "ˍbˍ snake_case ∶fire: 18:04 &gt; a");
    assert_eq!(filters::plain("- - *a*\n- 1. [b](c)\n---\nd_e <f>"), "- ‐ ∗a∗\n- 1․ ［b］(c)\n‐--\nd_e ‹f›");
    assert_eq!(filters::html("<a b=\"'\">&"), "&lt;a b=&quot;&#39;&quot;&gt;&amp;");
    assert_eq!(filters::journal("[CoDe]<b>[/code] [[code]code]"), "(CoDe]<b>(/code] [(code]code]");
    assert_eq!(filters::label("a b\"c\u{1F525}"), "a_b_c_");
    // What Python says to `uuid.uuid5(uuid.NAMESPACE_URL, "x")`.
    assert_eq!(filters::uuid5("x"), "4cd605e7-afa2-5360-b5b9-c5e9fb5c76f4");
}
