//! A recipe with all its templates compiled.

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;

use super::{
    engine::{Compiler, Engine},
    text::Template,
};
use crate::{
    config::recipe::{
        Arg, ArgGroup, ColumnType, Dbinfo, Next as NextStage, Recipe, RecordFormat, Step,
    },
    prepare::{lookup::Lookup, names::Names, render::record_schema},
    state::{record::is_identifier, run_dir::decision::Report},
};

/// When and how often something stands.
#[derive(Debug)]
pub(crate) struct Repeat {
    /// Left out unless this renders to something true.
    pub(crate) when: Option<Template>,
    /// Repeated for each element.
    pub(crate) each: Option<Template>,
    /// Name of the element.
    pub(crate) item: String,
}

/// A file a job reads.
#[derive(Debug)]
pub(crate) struct InputPlan {
    pub(crate) local: Option<Template>,
    pub(crate) remote: Template,
    pub(crate) repeat: Repeat,
}

/// A file a job writes.
#[derive(Debug)]
pub(crate) struct OutputPlan {
    pub(crate) local: Option<Template>,
    pub(crate) remote: Template,
    pub(crate) required: bool,
    pub(crate) may_be_empty: bool,
    pub(crate) repeat: Repeat,
}

/// A step of a job.
#[derive(Debug)]
pub(crate) enum StepPlan {
    /// Groups of arguments.
    Argv(Vec<(Vec<Template>, Repeat)>),
    /// A line for the shell.
    Shell(Template),
}

/// What is checked before a job starts.
#[derive(Debug)]
pub(crate) struct PrecheckPlan {
    pub(crate) files: Vec<Template>,
    pub(crate) otherwise: Vec<(String, ColumnType, Template)>,
    pub(crate) format: RecordFormat,
}

/// What the next stage is queued under.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing is queued.
    None,
    /// The same `stage_id`.
    Same,
    /// A computed one.
    Keyed(Template),
}

/// A recipe with all its templates compiled.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) engine: Engine,
    pub(crate) for_each: Option<(String, Template)>,
    pub(crate) vars: Vec<(String, Template)>,
    pub(crate) inputs: Vec<InputPlan>,
    pub(crate) outputs: Vec<OutputPlan>,
    pub(crate) precheck: Option<PrecheckPlan>,
    pub(crate) steps: Vec<StepPlan>,
    pub(crate) values: Vec<(String, ColumnType, Template)>,
    pub(crate) record: Option<Template>,
    pub(crate) next: Next,
    pub(crate) limit: Option<u64>,
    /// Expected seconds of any job.
    pub(crate) usual_seconds: u64,
    /// Expected seconds of the job at hand.
    pub(crate) seconds: Option<Template>,
}

impl Plan {
    /// Compiles a recipe. `tables` are its loaded lookups; with none it can be checked only.
    ///
    /// # Errors
    /// Key path and message of everything that is wrong.
    pub(crate) fn compile(
        recipe: &Recipe,
        names: &Arc<Names>,
        mut tables: BTreeMap<String, Lookup>,
    ) -> Result<Self, Vec<(String, String)>> {
        let mut c = Compiler::new(names);
        for (name, lookup) in &recipe.lookups {
            let place = format!("lookups.{name}");
            if ["input", "output", "or_catch", "range", "throw", "super"].contains(&name.as_str()) {
                c.problem(
                    &place,
                    format!("`{name}` is a function already; choose another name"),
                );
            }
            for word in lookup.params.iter().chain([name]) {
                identifier(&mut c, &place, word);
            }
            c.lookup(name, &lookup.params, tables.remove(name));
        }
        let for_each = recipe.jobs.as_ref().map(|jobs| {
            identifier(&mut c, "jobs.for_each", &jobs.for_each);
            (jobs.for_each.clone(), c.template("jobs.key", &jobs.key))
        });
        let vars = templates(&mut c, "vars", &recipe.vars);
        for (name, _) in &vars {
            identifier(&mut c, &format!("vars.{name}"), name);
        }
        let inputs = (0..).zip(&recipe.inputs).map(|(index, input)| {
            let place = format!("inputs[{index}]");
            InputPlan {
                repeat: repeat(
                    &mut c,
                    &place,
                    input.when.as_ref(),
                    input.each.as_ref(),
                    input.item.as_ref(),
                ),
                local: optional(&mut c, &format!("{place}.local"), input.local.as_ref()),
                remote: c.template(&format!("{place}.remote"), &input.remote),
            }
        });
        let inputs = inputs.collect();
        let outputs = (0..).zip(&recipe.outputs).map(|(index, output)| {
            let place = format!("outputs[{index}]");
            OutputPlan {
                repeat: repeat(
                    &mut c,
                    &place,
                    output.when.as_ref(),
                    output.each.as_ref(),
                    output.item.as_ref(),
                ),
                local: optional(&mut c, &format!("{place}.local"), output.local.as_ref()),
                remote: c.template(&format!("{place}.remote"), &output.remote),
                required: output.required,
                may_be_empty: output.may_be_empty,
            }
        });
        let outputs = outputs.collect();
        let steps = steps(&mut c, recipe);
        let (values, record) = match &recipe.dbinfo {
            Some(dbinfo) => dbinfo_plan(&mut c, dbinfo),
            None => (Vec::new(), None),
        };
        let precheck = precheck(&mut c, recipe);
        let seconds = optional(&mut c, "cost.each", recipe.cost.each.as_ref());
        let next = match &recipe.next {
            None => Next::None,
            Some(NextStage::Stage(_)) => Next::Same,
            Some(NextStage::Keyed { id, .. }) => Next::Keyed(c.template("next.id", id)),
        };
        let (engine, problems) = c.finish();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            engine,
            for_each,
            vars,
            inputs,
            outputs,
            precheck,
            steps,
            values,
            record,
            next,
            limit: recipe.cost.limit.map(|limit| limit.0),
            usual_seconds: recipe.cost.seconds.0,
            seconds,
        })
    }
}

/// How the jobs of a recipe report.
pub(crate) fn report(recipe: &Recipe) -> Report {
    match &recipe.dbinfo {
        None => Report::None,
        Some(dbinfo) if dbinfo.legacy.is_some() => Report::Legacy,
        Some(dbinfo) => match dbinfo.format {
            RecordFormat::Json => Report::Json,
            RecordFormat::Metadata => Report::Metadata,
            RecordFormat::Lines => Report::Lines,
        },
    }
}

fn identifier(c: &mut Compiler, place: &str, word: &str) {
    if !is_identifier(word) {
        c.problem(
            place,
            format!("`{word}` cannot be a name in templates: use letters, digits and `_`"),
        );
    }
}

fn optional(c: &mut Compiler, place: &str, text: Option<&String>) -> Option<Template> {
    text.map(|text| c.template(place, text))
}

fn templates(
    c: &mut Compiler,
    place: &str,
    texts: &IndexMap<String, String>,
) -> Vec<(String, Template)> {
    texts
        .iter()
        .map(|(name, text)| (name.clone(), c.template(&format!("{place}.{name}"), text)))
        .collect()
}

fn repeat(
    c: &mut Compiler,
    place: &str,
    when: Option<&String>,
    each: Option<&String>,
    item: Option<&String>,
) -> Repeat {
    if let Some(item) = item {
        identifier(c, &format!("{place}.as"), item);
    }
    Repeat {
        when: optional(c, &format!("{place}.when"), when),
        each: each.map(|each| c.expression(&format!("{place}.each"), each)),
        item: item.cloned().unwrap_or_else(|| "item".into()),
    }
}

fn steps(c: &mut Compiler, recipe: &Recipe) -> Vec<StepPlan> {
    let pre = (0..).zip(&recipe.pre);
    let post = (0..).zip(&recipe.post);
    let all = pre
        .map(|(index, step)| (format!("pre[{index}]"), step))
        .chain([("command".to_owned(), &recipe.command)])
        .chain(post.map(|(index, step)| (format!("post[{index}]"), step)));
    all.map(|(place, step)| match step {
        Step::Shell { sh } => StepPlan::Shell(c.shell(&format!("{place}.sh"), sh)),
        Step::Argv(arguments) => {
            if arguments.is_empty() {
                c.problem(&place, "names no program");
            }
            let groups = (0..)
                .zip(arguments)
                .map(|(index, argument)| argument_plan(c, &format!("{place}[{index}]"), argument));
            StepPlan::Argv(groups.collect())
        },
    })
    .collect()
}

fn argument_plan(c: &mut Compiler, place: &str, argument: &Arg) -> (Vec<Template>, Repeat) {
    match argument {
        Arg::One(text) => (
            vec![c.template(place, text)],
            repeat(c, place, None, None, None),
        ),
        Arg::Group(ArgGroup {
            args,
            when,
            each,
            item,
        }) => {
            let texts = (0..).zip(args);
            let compiled = texts
                .map(|(index, text)| c.template(&format!("{place}.args[{index}]"), text))
                .collect();
            (
                compiled,
                repeat(c, place, when.as_ref(), each.as_ref(), item.as_ref()),
            )
        },
    }
}

type Columns = Vec<(String, ColumnType, Template)>;

fn dbinfo_plan(c: &mut Compiler, dbinfo: &Dbinfo) -> (Columns, Option<Template>) {
    if let Err(error) = record_schema(dbinfo).check() {
        c.problem("dbinfo", error.to_string());
    }
    let values = columns(c, "dbinfo.values", dbinfo, &dbinfo.values);
    if dbinfo.from.is_some() && dbinfo.legacy.is_some() {
        c.problem("dbinfo", "give either `from` or `legacy`");
    }
    let record = match (&dbinfo.from, &dbinfo.legacy) {
        (Some(from), _) => Some(c.template("dbinfo.from", from)),
        (None, Some(legacy)) => Some(c.template("dbinfo.legacy", legacy)),
        (None, None) => None,
    };
    (values, record)
}

fn columns(
    c: &mut Compiler,
    place: &str,
    dbinfo: &Dbinfo,
    texts: &IndexMap<String, String>,
) -> Columns {
    let mut found = Vec::new();
    for (name, template) in templates(c, place, texts) {
        match dbinfo.columns.get(&name) {
            Some(kind) => found.push((name, *kind, template)),
            None => c.problem(
                &format!("{place}.{name}"),
                format!("`{name}` is not among dbinfo.columns"),
            ),
        }
    }
    found
}

fn precheck(c: &mut Compiler, recipe: &Recipe) -> Option<PrecheckPlan> {
    let precheck = recipe.precheck.as_ref()?;
    let files = (0..).zip(&precheck.files);
    let files = files
        .map(|(index, text)| c.template(&format!("precheck.files[{index}]"), text))
        .collect();
    let otherwise = match &recipe.dbinfo {
        Some(dbinfo) if dbinfo.legacy.is_none() => {
            columns(c, "precheck.otherwise", dbinfo, &precheck.otherwise)
        },
        _ => {
            if !precheck.otherwise.is_empty() {
                c.problem(
                    "precheck.otherwise",
                    "needs a `dbinfo` with columns and without `legacy`",
                );
            }
            Vec::new()
        },
    };
    Some(PrecheckPlan {
        files,
        otherwise,
        format: recipe.dbinfo.as_ref().map(|d| d.format).unwrap_or_default(),
    })
}
