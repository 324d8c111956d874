//! `GET .../eventtypes/management/values`: a window of the activity log, page by page.

use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::World;
use super::answer::Draft;
use super::journal::Violation;
use super::log_filter::LogFilter;
use super::target::query_value;

impl World {
    pub(super) fn list_log(&mut self, subscription: &str, uri: &Uri, now: Timestamp) -> Draft {
        match self.page(subscription, uri, now) {
            Ok(page) => Draft::gateway(StatusCode::OK, &page),
            Err(message) => {
                self.violations.push(Violation::BadLogQuery { message: message.clone() });
                Draft::log_error(&message)
            }
        }
    }

    fn page(&self, subscription: &str, uri: &Uri, now: Timestamp) -> Result<Value, String> {
        let filter_text = query_value(uri, "$filter").ok_or("The filter is missing.")?;
        let filter = LogFilter::parse(&filter_text, now)?;
        let cursor = match query_value(uri, "$skipToken") {
            Some(token) => Cursor::read(&token).ok_or("The skip token is not one that was given out.")?,
            None => Cursor { seen_at: now, offset: 0 },
        };
        let select = query_value(uri, "$select");
        // Later pages show what the first one could see, so that no record is shown twice or skipped.
        let found: Vec<&Value> = self
            .log
            .visible(cursor.seen_at.min(now))
            .into_iter()
            .filter(|record| filter.keeps(record, subscription))
            .map(|record| &record.body)
            .collect();
        let size = self.settings.log_page_size.max(1);
        let shown: Vec<Value> = found
            .iter()
            .skip(cursor.offset)
            .take(size)
            .map(|body| selected(body, select.as_deref()))
            .collect();
        let next = cursor.offset + shown.len();
        let mut page = json!({ "value": shown });
        // Recorded: the last page has no `nextLink` at all.
        if let (true, Some(members)) = (next < found.len(), page.as_object_mut()) {
            let token = Cursor { seen_at: cursor.seen_at, offset: next }.write();
            members.insert("nextLink".to_owned(), json!(self.next_link(subscription, uri, &token)));
        }
        Ok(page)
    }

    fn next_link(&self, subscription: &str, uri: &Uri, token: &str) -> String {
        let kept = uri.query().unwrap_or_default().split('&');
        let kept: Vec<&str> = kept
            .filter(|pair| !pair.to_ascii_lowercase().replace("%24", "$").starts_with("$skiptoken="))
            .collect();
        format!(
            "{}/subscriptions/{subscription}/providers/microsoft.insights/eventtypes/management/values?{}&$skipToken={token}",
            self.settings.endpoint,
            kept.join("&")
        )
    }
}

/// Where a later page begins.
struct Cursor {
    seen_at: Timestamp,
    offset: usize,
}

impl Cursor {
    fn write(&self) -> String {
        format!("{}_{}", self.seen_at.as_nanosecond(), self.offset)
    }

    fn read(token: &str) -> Option<Self> {
        let (seen_at, offset) = token.split_once('_')?;
        let seen_at = Timestamp::from_nanosecond(seen_at.parse().ok()?).ok()?;
        Some(Self { seen_at, offset: offset.parse().ok()? })
    }
}

/// With `$select` only these members come back, and `id` always (azure-sdk-for-python recording of 2016).
fn selected(body: &Value, select: Option<&str>) -> Value {
    let (Some(select), Some(members)) = (select, body.as_object()) else { return body.clone() };
    let wanted: Vec<&str> = select.split(',').map(str::trim).chain(["id"]).collect();
    let kept: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(kept)
}
