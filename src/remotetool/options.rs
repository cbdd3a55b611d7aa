//! The tables of modes and options, from which both the parser and the usage text work.

/// A mode: an option of its own, and the options it takes.
#[derive(Debug)]
pub(super) struct ModeSpec {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    pub(super) example: &'static str,
}

/// The modes without their options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    DefineByQuery,
    ListRun,
    ListComponent,
    DonePrep,
    UpdateRun,
    UpdatePoll,
    UpdateComponent,
    RevertRun,
    RevertAuth,
    RevertComponent,
    DropComponent,
}

/// An option of some mode.
#[derive(Debug)]
pub(super) struct OptionSpec {
    pub(super) name: &'static str,
    /// What its value is called; `None` for a switch.
    pub(super) value: Option<&'static str>,
    pub(super) about: &'static str,
}

pub(super) const MODES: &[ModeSpec] = &[
    ModeSpec {
        kind: Kind::DefineByQuery,
        name: "-definebyquery",
        about: "bundle components that wait under a label into a new run",
        required: &["-label", "-stage", "-path_base"],
        optional: &["-set_label", "-limit", "-pretend", "-simple"],
        example: "-definebyquery -label demo.t1 -stage chip -path_base runs/demo.t1 -limit 500",
    },
    ModeSpec {
        kind: Kind::ListRun,
        name: "-listrun",
        about: "list runs",
        required: &[],
        optional: &[
            "-remote_id",
            "-state",
            "-stage",
            "-label",
            "-job_id",
            "-poll_begin",
            "-poll_end",
            "-fault",
            "-limit",
            "-simple",
        ],
        example: "-listrun -state pending -label demo.t1 -simple",
    },
    ModeSpec {
        kind: Kind::DonePrep,
        name: "-doneprep",
        about: "list runs in which every component is prepared or has failed",
        required: &[],
        optional: &[
            "-remote_id",
            "-job_id",
            "-stage",
            "-state",
            "-label",
            "-limit",
            "-simple",
        ],
        example: "-doneprep -state new -label demo.t1",
    },
    ModeSpec {
        kind: Kind::ListComponent,
        name: "-listcomponent",
        about: "list components",
        required: &[],
        optional: &[
            "-remote_id",
            "-stage_id",
            "-jobs",
            "-state",
            "-label",
            "-limit",
            "-simple",
        ],
        example: "-listcomponent -remote_id 17 -state fail",
    },
    ModeSpec {
        kind: Kind::RevertComponent,
        name: "-revertcomponent",
        about: "free failed components to be bundled again",
        required: &[],
        optional: &["-remote_id", "-stage_id"],
        example: "-revertcomponent -remote_id 17",
    },
    ModeSpec {
        kind: Kind::DropComponent,
        name: "-dropcomponent",
        about: "disabled: revert the component instead",
        required: &[],
        optional: &["-remote_id", "-stage_id"],
        example: "-revertcomponent -remote_id 17 -stage_id 4711",
    },
    ModeSpec {
        kind: Kind::UpdateRun,
        name: "-updaterun",
        about: "change a run",
        required: &["-remote_id"],
        optional: &["-set_label", "-set_state", "-job_id", "-fault"],
        example: "-updaterun -remote_id 17 -set_state pending -fault 0",
    },
    ModeSpec {
        kind: Kind::UpdatePoll,
        name: "-updatepoll",
        about: "note that a run was polled now",
        required: &["-remote_id"],
        optional: &[],
        example: "-updatepoll -remote_id 17",
    },
    ModeSpec {
        kind: Kind::UpdateComponent,
        name: "-updatecomponent",
        about: "change components of a run",
        required: &["-remote_id"],
        optional: &[
            "-stage_id",
            "-state",
            "-set_state",
            "-set_path_base",
            "-set_jobs",
        ],
        example: "-updatecomponent -remote_id 17 -stage_id 4711 -set_state prep_done -set_jobs 60",
    },
    ModeSpec {
        kind: Kind::RevertRun,
        name: "-revertrun",
        about: "clear the fault of runs",
        required: &[],
        optional: &["-remote_id", "-label", "-fault"],
        example: "-revertrun -label demo.t1 -fault 4",
    },
    ModeSpec {
        kind: Kind::RevertAuth,
        name: "-revertauth",
        about: "let runs that waited for a login go on",
        required: &[],
        optional: &["-remote_id", "-label"],
        example: "-revertauth -label demo.t1",
    },
];

/// Options that every mode takes.
pub(super) const GLOBAL: &[&str] = &["-dbname"];

pub(super) const OPTIONS: &[OptionSpec] = &[
    text("-label", "LABEL", "label; may be given several times"),
    text("-set_label", "LABEL", "label of the run"),
    text("-stage", "STAGE", "stage (cam is camera)"),
    text("-path_base", "PATH", "root of the run's files"),
    text("-set_path_base", "PATH", "directory of the component"),
    text("-state", "STATE", "state"),
    text(
        "-set_state",
        "STATE",
        "state to go to, where that is a legal move",
    ),
    text("-remote_id", "N", "run"),
    text("-stage_id", "N", "component"),
    text("-job_id", "JOB", "batch job; -1 for none"),
    text("-jobs", "N", "number of jobs"),
    text("-set_jobs", "N", "number of jobs"),
    text("-fault", "N", "fault code; 0 for none"),
    text("-limit", "N", "most rows; 0 for all"),
    text("-poll_begin", "TIME", "changed at this time (UTC) or later"),
    text("-poll_end", "TIME", "changed at this time (UTC) or earlier"),
    switch("-pretend", "only print what would be bundled"),
    switch("-simple", "print one row a line"),
    text("-dbname", "NAME", "database"),
];

const fn text(name: &'static str, value: &'static str, about: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        value: Some(value),
        about,
    }
}

const fn switch(name: &'static str, about: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        value: None,
        about,
    }
}

pub(super) fn option(name: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| option.name == name)
}

pub(super) fn mode(name: &str) -> Option<&'static ModeSpec> {
    MODES.iter().find(|mode| mode.name == name)
}

impl ModeSpec {
    /// The options it takes, required ones first, global ones last.
    pub(super) fn options(&self) -> impl Iterator<Item = &'static str> {
        [self.required, self.optional, GLOBAL]
            .into_iter()
            .flatten()
            .copied()
    }
}
