//! Bounds the size of responses. gRPC clients accept 4 MiB by default.

use prost::Message;
pub(crate) use proto::bounds::count_fitting;

use proto::bounds::LARGEST_ANSWER;
use proto::v1::GetJobResponse;
use tonic::Status;

/// The most bytes of entries on one page.
pub(crate) const PAGE_BYTES: usize = 2 << 20;

/// Returns the response, or an error if it is larger than rowmill's clients accept.
pub(crate) fn check_response_size(response: GetJobResponse) -> Result<GetJobResponse, Status> {
    let bytes = response.encoded_len();
    if bytes <= LARGEST_ANSWER {
        return Ok(response);
    }
    let job = response.job.unwrap_or_default();
    Err(Status::resource_exhausted(format!(
        "the result of job {} comes to {bytes} bytes, and an answer has at most {LARGEST_ANSWER}: publish fewer of its \
         columns, or with --stats basic",
        job.job_id
    )))
}

#[cfg(test)]
mod tests {
    use proto::bounds::MOST_COLUMNS;
    use proto::v1::{Bin, ColumnProfile, Estimate, Profile, Quantile, TopValue};

    use super::*;

    /// A job with the most columns, all statistics of each, and the longest header.
    fn job(column: &ColumnProfile) -> GetJobResponse {
        let column = ColumnProfile {
            name: "n".repeat((3 << 20) / MOST_COLUMNS),
            fit: 0.999,
            count: COUNT,
            empty: COUNT,
            distinct: Some(Estimate {
                count: COUNT,
                error: 0.008,
            }),
            ..column.clone()
        };
        GetJobResponse {
            report: Some(
                Profile {
                    columns: vec![column; MOST_COLUMNS],
                    ..Profile::default()
                }
                .into(),
            ),
            ..GetJobResponse::default()
        }
    }

    const COUNT: u64 = 1 << 33;

    fn top(bytes: usize) -> Vec<TopValue> {
        let value = TopValue {
            value: "x".repeat(bytes),
            count: COUNT,
            over: 0,
        };
        vec![value; 10]
    }

    fn numbers(digits: usize) -> ColumnProfile {
        let digits = "9".repeat(digits);
        let some = || Some(digits.clone());
        ColumnProfile {
            min: some(),
            max: some(),
            sum: some(),
            mean_decimal: some(),
            mean: Some(0.1),
            stddev: Some(0.1),
            skewness: Some(0.1),
            quantiles: vec![
                Quantile {
                    rank: 0.1,
                    value: 0.1,
                    decimal: digits.clone(),
                };
                7
            ],
            histogram: vec![
                Bin {
                    from: 0.1,
                    to: 0.1,
                    count: COUNT
                };
                32
            ],
            top: top(digits.len().min(256)),
            ..ColumnProfile::default()
        }
    }

    #[test]
    fn a_profile_of_as_many_columns_as_there_may_be_is_an_answer_that_every_client_takes() {
        let long = || Some("x".repeat(256));
        let text = ColumnProfile {
            min: long(),
            max: long(),
            shortest: long(),
            longest: long(),
            length_mean: Some(0.1),
            top: top(256),
            ..ColumnProfile::default()
        };
        for (column, megabytes) in [(text, 65), (numbers(38), 36)] {
            let answer = check_response_size(job(&column)).unwrap();
            assert_eq!(answer.encoded_len() / 1_000_000, megabytes);
        }
    }

    #[test]
    fn a_result_that_no_client_takes_is_refused_with_what_to_do() {
        let status = check_response_size(job(&numbers(2200))).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(status.message().contains("--stats basic"), "{status}");
    }
}
