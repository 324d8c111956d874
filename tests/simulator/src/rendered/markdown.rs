//! Markdown: CommonMark with GitHub's additions, which is more than Adaptive Cards and Sentinel's comments render.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::{Shown, html};

/// Shows a Markdown text.
pub(super) fn show(shown: &mut Shown, source: &str) {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut text = String::new();
    for event in Parser::new_ext(source, options) {
        match event {
            Event::Start(tag) => start(shown, &tag),
            Event::Text(part) => text.push_str(&part),
            Event::Code(part) => {
                shown.markup.push("code".to_owned());
                text.push_str(&part);
            }
            Event::Html(part) | Event::InlineHtml(part) => html::elements(shown, &part),
            Event::SoftBreak | Event::HardBreak => text.push('\n'),
            Event::End(end) if !is_inline(end) => text.push('\n'),
            Event::Rule => shown.markup.push("rule".to_owned()),
            Event::TaskListMarker(_) => shown.markup.push("checkbox".to_owned()),
            _ => {}
        }
    }
    let text = text.trim_end_matches('\n');
    shown.linked(text);
    shown.read(text);
}

fn start(shown: &mut Shown, tag: &Tag<'_>) {
    let kind = match tag {
        Tag::Link { dest_url, .. } => return shown.links.push(dest_url.to_string()),
        Tag::Image { dest_url, .. } => return shown.images.push(dest_url.to_string()),
        Tag::Strong => "bold",
        Tag::Emphasis => "italic",
        Tag::Strikethrough => "struck out",
        Tag::Heading { .. } => "heading",
        Tag::BlockQuote(_) => "quote",
        Tag::CodeBlock(_) => "code block",
        Tag::List(_) => "list",
        Tag::Item => "list item",
        Tag::Table(_) => "table",
        _ => return,
    };
    shown.markup.push(kind.to_owned());
}

fn is_inline(end: pulldown_cmark::TagEnd) -> bool {
    use pulldown_cmark::TagEnd;
    matches!(
        end,
        TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image
            | TagEnd::List(_)
    )
}
