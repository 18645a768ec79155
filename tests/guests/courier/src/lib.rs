//! Sends what it is told to, and says what came of it: what the story `egress` runs.

use spine_sdk::prelude::*;

params! {
    pub struct Errand {
        /// In capital letters.
        method: String => default("GET"),
        url: String,
        /// `name: value`; `{key}` stands for the secret `key`.
        header: Option<String>,
        /// `{key}` stands for the secret `key`.
        body: Option<String>,
        /// How often.
        times: i64 => default(1),
        /// Whether an error is passed on rather than answered.
        pass_on: bool => default(false),
    }
}

/// Sends requests and answers what each came to.
#[derive(Debug)]
pub struct Send;

impl Send {
    /// The request of an errand.
    fn request(errand: &Errand, host: &Host) -> Result<http::Request, Error> {
        let fill = |text: &str| match text.contains("{key}") {
            true => Ok(text.replace("{key}", &host.secret("key")?)),
            false => Ok::<_, Error>(text.to_owned()),
        };
        let mut request = http::Request::new(&errand.method, fill(&errand.url)?);
        if let Some((name, value)) = errand.header.as_deref().and_then(|header| header.split_once(": ")) {
            request = request.header(name, fill(value)?);
        }
        request.body = errand.body.as_deref().map(fill).transpose()?.map(String::into_bytes);
        Ok(request)
    }
}

impl Task for Send {
    const NAME: &'static str = "courier.send";
    type Params = Errand;

    fn spec() -> TaskSpec {
        TaskSpec::new("Sends requests and answers what came of each.").policy(Policy::new().retry(Retry::never()))
    }

    fn call(&self, errand: Errand, host: &Host) -> Result<Json, Error> {
        let request = Self::request(&errand, host)?;
        let mut answers = Vec::new();
        for _ in 0..errand.times {
            let answer = host.fetch(&request);
            answers.push(match answer {
                Ok(response) => {
                    host.info(&format!("{} said {}", response.url, String::from_utf8_lossy(&response.body)));
                    json!({ "status": response.status, "bytes": response.body.len(), "url": response.url,
                        "body": String::from_utf8_lossy(&response.body[..response.body.len().min(500)]) })
                }
                Err(error) if errand.pass_on => return Err(error),
                Err(error) => json!({ "code": error.code, "message": error.message, "retryable": error.retryable }),
            });
        }
        Ok(Json::Array(answers))
    }
}

params! {
    pub struct Parcel {
        folder: String => default("out"),
        name: String,
        text: String => default("content"),
        /// Whether to fail after saving.
        fail: bool => default(false),
    }
}

/// Saves a file.
#[derive(Debug)]
pub struct Leave;

impl Task for Leave {
    const NAME: &'static str = "courier.leave";
    type Params = Parcel;

    fn spec() -> TaskSpec {
        TaskSpec::new("Saves a file in a folder.").policy(Policy::new().retry(Retry::never()))
    }

    fn call(&self, parcel: Parcel, host: &Host) -> Result<Json, Error> {
        host.save(&parcel.folder, &parcel.name, parcel.text)?;
        if parcel.fail {
            return Err(Error::pipeline("told_to", "it was told to fail"));
        }
        Ok(json!({}))
    }
}

dataset! {
    /// What somebody was shown.
    pub struct Notes = "courier.notes" {
        day: Date,
        about: Utf8,
        letters: Int64,
    }
    key [about, day]
    partition_by [day]
}

/// Writes down how long the secret `key` is, as it was shown.
#[derive(Debug)]
pub struct Note;

impl Pipeline for Note {
    const NAME: &'static str = "courier.note";
    type Params = NoParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Writes down what it was shown.").output::<Notes>()
    }

    fn run(&self, _: NoParams, host: &Host) -> Result<Summary, Error> {
        let letters = i64::try_from(host.secret("key")?.len()).unwrap_or(i64::MAX);
        // 2021-01-28, in days since 1970.
        let note = Notes {
            day: Column::repeat(18_655, 1),
            about: ["key"].into_iter().collect(),
            letters: Column::repeat(letters, 1),
        };
        host.output::<Notes>()?.write(note)?;
        Ok(Summary::new())
    }
}

spine_sdk::plugin! {
    name: "courier",
    version: env!("CARGO_PKG_VERSION"),
    description: "Goes where it is sent.",
    datasets: [Notes],
    pipelines: [Note],
    tasks: [Send, Leave],
    folders: [Folder::optional("out", "Where parcels go.").writable(), Folder::optional("drop", "Only to look at.")],
    http: [
        Http::optional("plain", "http://*:*", "What the story names.").methods(&["GET", "POST"]),
        Http::optional("secured", "https://*:*", "What the story names.").methods(&["GET", "POST"]),
    ],
    secrets: [Secret::optional("key", "Opens doors.")],
}
