//! The `--xml` answers of `showq`, `checkjob` and `msub`.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

/// The attributes of one `<job>` that matter here; empty where absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Job {
    /// Id at present.
    pub(super) id: String,
    /// Id that Moab gave at submission, before the job went to the resource manager.
    pub(super) grid_id: String,
    /// Name.
    pub(super) name: String,
    /// State.
    pub(super) state: String,
    /// Completion code.
    pub(super) code: String,
    /// Nodes asked for.
    pub(super) nodes: String,
    /// Start, in seconds since 1970; 0 if it has not started.
    pub(super) start: String,
    /// Seconds run so far.
    pub(super) used: String,
    /// Seconds asked for.
    pub(super) limit: String,
    /// Why it is blocked.
    pub(super) reason: String,
}

/// The jobs of one answer, which may hold several documents and other lines before and between
/// them.
///
/// # Errors
/// If there is no whole document, or one is cut off or damaged.
pub(super) fn jobs(text: &str) -> Result<Vec<Job>, String> {
    let Some((_, body)) = text.split_once("<Data") else {
        return Err("there is no <Data> in it".into());
    };
    let body = format!("<Data{body}");
    let mut reader = Reader::from_str(&body);
    let mut found = Vec::new();
    let mut depth = 0_u32;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => {
                depth += 1;
                found.extend(job(&tag)?);
            },
            Event::Empty(tag) => found.extend(job(&tag)?),
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Eof if depth == 0 => return Ok(found),
            Event::Eof => return Err("the XML is cut off".into()),
            _ => {},
        }
    }
}

fn job(tag: &BytesStart<'_>) -> Result<Option<Job>, String> {
    if tag.name().as_ref() != b"job" {
        return Ok(None);
    }
    let mut job = Job::default();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let field = match attribute.key.as_ref() {
            b"JobID" => &mut job.id,
            b"GJID" => &mut job.grid_id,
            b"JobName" => &mut job.name,
            b"State" => &mut job.state,
            b"CompletionCode" => &mut job.code,
            b"ReqNodes" => &mut job.nodes,
            b"StartTime" => &mut job.start,
            b"AWDuration" => &mut job.used,
            b"ReqAWDuration" => &mut job.limit,
            b"BlockReason" => &mut job.reason,
            _ => continue,
        };
        *field = text(&attribute.value)?;
    }
    Ok(Some(job))
}

fn text(raw: &[u8]) -> Result<String, String> {
    let raw = std::str::from_utf8(raw).map_err(|error| error.to_string())?;
    quick_xml::escape::unescape(raw)
        .map(Cow::into_owned)
        .map_err(|error| error.to_string())
}
