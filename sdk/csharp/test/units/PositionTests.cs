namespace GodotSDK.Tests;

public static class PositionTests
{
    private static Position At(string epoch, long seq)
    {
        var position = new Position();
        position.Welcome(false, epoch, seq);
        return position;
    }

    public static void TestNothingIsKnownAtFirst() => Check.Equal(null, new Position().Resume);

    public static void TestEventsMoveItAndOldOnesAreDropped()
    {
        var position = At("e1", 41);
        Check.That(!position.Event(41), "had it");
        Check.That(position.Event(43), "a gap is for the server to judge");
        Check.That(!position.Event(42), "behind");
        Check.That(position.Event(null), "without a number");
        Check.Equal(("e1", 43L), position.Resume);
    }

    public static void TestARecoveredWelcomeChangesNothing()
    {
        var position = At("e1", 41);
        position.Event(45);
        position.Welcome(true, "e1", 44);
        Check.Equal(("e1", 45L), position.Resume);
        position.Welcome(true, "e2", 3);
        Check.Equal(("e2", 3L), position.Resume, "another epoch:");
    }

    public static void TestASnapshotAlwaysSetsIt()
    {
        var position = At("e1", 41);
        position.Snapshot("e1", 7);
        Check.Equal(("e1", 7L), position.Resume, "back:");
        position.Snapshot("e2", 9);
        Check.Equal(("e2", 9L), position.Resume, "another epoch:");
        position.Doubt();
        Check.Equal(null, position.Resume, "in doubt:");
        position.Snapshot("e2", 9);
        Check.Equal(("e2", 9L), position.Resume, "no doubt any more:");
    }

    public static void TestAHeartbeatRaisesItOnly()
    {
        var position = At("e1", 41);
        position.Reached(40);
        position.Reached(null);
        Check.Equal(("e1", 41L), position.Resume);
        position.Reached(50);
        Check.That(!position.Event(50), "told");
        Check.Equal(("e1", 50L), position.Resume);
    }

    public static void TestAfterAnUnreadableMessageTheStateIsAskedFor()
    {
        var position = At("e1", 41);
        position.Doubt();
        Check.Equal(null, position.Resume);
        Check.That(!position.Event(41), "what was had is dropped all the same");
        position.Snapshot("e1", 60);
        Check.Equal(("e1", 60L), position.Resume);
    }

    public static void TestItCanBeForgotten()
    {
        var position = At("e1", 41);
        position.Forget();
        Check.Equal(null, position.Resume);
        Check.That(position.Event(1), "begins again");
    }
}
