//! The flags that choose the statistics of a profile.

use cli::Failure;
use proto::v1::ProfileSpec;

use super::operation_args::OperationFlags;

/// The statistics, and whether they are exact.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProfileArgs {
    /// Statistics in addition to counts, types, extremes, sums, moments and lengths: all, basic (none of them), or a
    /// list of distinct, quantiles, top, checks
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = stats)]
    stats: ProfileSpec,

    /// Count every distinct value, so that distinct, top and quantiles are exact; needs memory for each value
    #[arg(long)]
    exact: bool,
}

impl OperationFlags for ProfileSpec {
    type Args = ProfileArgs;

    /// It is the default operation.
    fn is_requested(_args: &ProfileArgs) -> bool {
        true
    }

    fn spec(args: &ProfileArgs) -> Result<Self, Failure> {
        Ok(Self {
            exact: args.exact,
            ..args.stats
        })
    }
}

fn stats(list: &str) -> Result<ProfileSpec, String> {
    let mut spec = ProfileSpec {
        no_distinct: true,
        no_quantiles: true,
        no_top: true,
        no_checks: true,
        exact: false,
    };
    match list {
        "all" => return Ok(ProfileSpec::default()),
        "basic" => return Ok(spec),
        _ => {}
    }
    for group in list.split(',') {
        let left_out = match group.trim() {
            "distinct" => &mut spec.no_distinct,
            "quantiles" => &mut spec.no_quantiles,
            "top" => &mut spec.no_top,
            "checks" => &mut spec.no_checks,
            other => {
                return Err(format!(
                    "{other:?} is not one of distinct, quantiles, top and checks; all and basic cannot be combined \
                     with others"
                ));
            }
        };
        *left_out = false;
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_leaves_out_what_it_does_not_name() {
        assert_eq!(stats("all"), Ok(ProfileSpec::default()));
        let spec = stats("top, quantiles").unwrap();
        assert!(spec.no_distinct && spec.no_checks && !spec.no_top && !spec.no_quantiles);
        let basic = stats("basic").unwrap();
        assert!(basic.no_distinct && basic.no_quantiles && basic.no_top && basic.no_checks);
        for bad in ["", "everything", "top,all", "top;checks"] {
            assert!(stats(bad).is_err(), "{bad}");
        }
    }
}
