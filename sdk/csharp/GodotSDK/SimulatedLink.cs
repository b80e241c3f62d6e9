#nullable enable
using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>
    /// A worse network than the developer's own, to see how the game feels on it: see <see cref="GodotClientOptions.Simulate"/>.
    /// </summary>
    public sealed class SimulateOptions
    {
        /// <summary>Comes to each round trip, half of it in either direction.</summary>
        public TimeSpan Latency { get; set; }

        /// <summary>Comes to each message besides, from nothing up to this; order is kept, as TCP does.</summary>
        public TimeSpan Jitter { get; set; }

        /// <summary>The connection is lost about so often; zero for never.</summary>
        public TimeSpan DropEvery { get; set; }
    }

    /// <summary>A link that is slower than the one below it, and breaks.</summary>
    internal sealed class SimulatedLink : ILink, ILinkListener
    {
        private readonly object gate = new object();
        private readonly SimulateOptions how;
        private readonly IClock clock;
        private readonly Func<double> random;
        private readonly ILinkListener listener;
        private readonly Lane there;
        private readonly Lane back;
        private ILink? real;
        private IDisposable? breaking;
        private bool isOpen;
        private bool isOver;

        private SimulatedLink(SimulateOptions how, IClock clock, Func<double> random, ILinkListener listener)
        {
            this.how = how;
            this.clock = clock;
            this.random = random;
            this.listener = listener;
            there = new Lane(clock);
            back = new Lane(clock);
        }

        public static LinkFactory Over(LinkFactory below, SimulateOptions how, IClock clock, Func<double> random) => (request, listener) =>
        {
            var link = new SimulatedLink(how, clock, random, listener);
            lock (link.gate) link.real = below(request, link);
            return link;
        };

        public bool Send(string text)
        {
            lock (gate)
            {
                if (!isOpen || isOver) return false;
                there.Add(DelayMs(), () => real!.Send(text));
                return true;
            }
        }

        public Task CloseAsync(int code, string reason)
        {
            lock (gate)
            {
                isOver = true;
                breaking?.Dispose();
            }
            return real!.CloseAsync(code, reason);
        }

        void ILinkListener.Opened() => Hear(() =>
        {
            lock (gate)
            {
                isOpen = !isOver;
                if (how.DropEvery > TimeSpan.Zero) breaking = clock.After(how.DropEvery.TotalMilliseconds * (0.5 + random()), Break);
            }
            listener.Opened();
        });

        Task ILinkListener.ReceivedAsync(string text)
        {
            Hear(() => _ = listener.ReceivedAsync(text));
            return Task.CompletedTask;
        }

        void ILinkListener.Malformed(string why) => Hear(() => listener.Malformed(why));

        void ILinkListener.Ended(LinkEnd end) => Hear(() => End(end));

        private void Break()
        {
            _ = real!.CloseAsync(CloseCodes.WillComeBack, "a simulated loss");
            End(new LinkEnd(CloseCodes.Broken, "a simulated loss") { TellsStatus = true });
        }

        private void End(LinkEnd end)
        {
            lock (gate)
            {
                if (isOver) return;
                isOver = true;
                breaking?.Dispose();
            }
            listener.Ended(end);
        }

        private void Hear(Action tell) => back.Add(DelayMs(), () =>
        {
            lock (gate) if (isOver) return;
            tell();
        });

        private double DelayMs() => how.Latency.TotalMilliseconds / 2 + random() * how.Jitter.TotalMilliseconds;

        /// <summary>One direction: what is on its way arrives one by one, and nothing overtakes what went before.</summary>
        private sealed class Lane
        {
            private readonly Queue<(double At, Action Arrive)> underWay = new Queue<(double, Action)>();
            private readonly IClock clock;
            private double lastAt;

            public Lane(IClock clock)
            {
                this.clock = clock;
            }

            public void Add(double delayMs, Action arrive)
            {
                lock (underWay)
                {
                    lastAt = Math.Max(lastAt, clock.NowMs + delayMs);
                    underWay.Enqueue((lastAt, arrive));
                    if (underWay.Count == 1) clock.After(lastAt - clock.NowMs, Arrive);
                }
            }

            // What arrives stays in the queue meanwhile, so that nobody else begins.
            private void Arrive()
            {
                while (true)
                {
                    Action arrive;
                    lock (underWay) arrive = underWay.Peek().Arrive;
                    arrive();
                    lock (underWay)
                    {
                        underWay.Dequeue();
                        if (underWay.Count == 0) return;
                        var waitMs = underWay.Peek().At - clock.NowMs;
                        if (waitMs <= 0) continue;
                        clock.After(waitMs, Arrive);
                        return;
                    }
                }
            }
        }
    }
}
