import { clientsOf } from "../providers/aws/clients.ts";
import { rotatedUser } from "./database-user.ts";
import { notShown, type TourContext, type TourLine } from "./line.ts";
import { rotationRunner } from "./runner.ts";

/** What the AWS account does by itself, and what an emulator cannot show of it. */
export async function* awsAccount(context: TourContext): AsyncGenerator<TourLine> {
  const account = context.model.aws;
  if (account === undefined) {
    yield notShown("AWS' functions rotate as their own roles", "this environment has no AWS account");
    return;
  }
  const aws = clientsOf(context.services.aws);
  try {
    yield* rotationRunner(context, { account, aws });
    yield* rotatedUser(account, aws);
  } finally {
    aws.close();
  }
  yield notShown(
    "people need a second factor, GitHub's jobs their exact subject, and a key is used by whom its policy names",
    "the emulator has no second factor, checks no token and no key's policy: `npm test -- model/aws` asks a simulator",
  );
}
